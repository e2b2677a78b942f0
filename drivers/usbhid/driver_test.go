package usbhid

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lastwatt/drivers"
	"lastwatt/drivers/drivertest"
)

func testOptions() drivers.Options {
	return drivers.Options{Name: "main", Log: slog.New(slog.DiscardHandler)}
}

func TestDriverKeepsADriversPromises(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) drivertest.Rig {
		f := newFake(t, "0764-0501-VP1600ELCD")
		return drivertest.Rig{Driver: newDriver(f, Match{}, config{Poll: defaultPoll}, testOptions()), Unplug: f.unplug, Plug: f.plug}
	})
}

func TestMainsIsJudgedByEvidence(t *testing.T) {
	for _, tt := range []struct {
		name        string
		bits, volts byte
		test        byte
		want        string
	}{
		{"as captured", statusMains, 234, 6, "mains"},
		{"ACPresent gone and discharging", statusBattery, 0, 6, "battery"},
		{"battery nearly empty", statusBatteryLast, 0, 6, "battery"},
		{"all bits zero say nothing", 0, 234, 6, "unknown"},
		{"discharging with mains there", statusStuck, 230, 6, "mains"},
		{"ACPresent stuck: discharging and no input", statusStuck, 0, 6, "battery"},
		{"input just above half of nominal", statusStuck, 116, 6, "mains"},
		{"self-test with ACPresent", statusStuck, 0, 5, "mains"},
		{"idle with only ACPresent", 0x01, 234, 6, "mains"},
		{"low battery alone on mains", 0x21, 234, 6, "mains"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, "0764-0501-VP1600ELCD")
				f.status(tt.bits, tt.volts)
				f.device.features[0x85] = []byte{0x85, tt.test}
				_, last, stop := running(t, f)
				time.Sleep(tick)
				u := last()
				if got := says(u.OnBattery); got != tt.want {
					t.Errorf("on %s, want %s (%s)", got, tt.want, u.Status())
				}
				if got := u.TestInProgress; got == nil || *got != (tt.test == 5) {
					t.Errorf("test in progress = %v", got)
				}
				stop()
			})
		})
	}
}

func TestEventIsConfirmedAndReportedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, "0764-0501-VP1600ELCD")
		_, last, stop := running(t, f)
		time.Sleep(tick)
		start := time.Now()
		f.status(statusBattery, 0)
		f.frames <- []byte{0x22, statusBattery}
		synctest.Wait()
		if got := says(last().OnBattery); got != "battery" || time.Since(start) != 0 {
			t.Errorf("on %s %v after the event, want battery at once", got, time.Since(start))
		}
		f.status(statusMains, 234)
		f.frames <- []byte{0x22, statusMains}
		synctest.Wait()
		if got := says(last().OnBattery); got != "mains" {
			t.Errorf("on %s after mains came back, want mains", got)
		}
		stop()
	})
}

func TestEventThatTheDeviceDoesNotRepeatIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, "0764-0501-VP1600ELCD")
		_, _, stop := running(t, f)
		time.Sleep(tick)
		f.frames <- []byte{0x22, statusBattery} // the feature report still says mains
		synctest.Wait()
		f.with(func() { f.scripts[0x22] = [][]byte{{0x22, statusBattery}} })
		time.Sleep(tick) // and now one poll says battery, once
		readings, _ := stop()
		for _, r := range readings {
			if got := says(r.Fact.(drivers.UPS).OnBattery); got != "mains" {
				t.Errorf("reported on %s for a single wrong reading", got)
			}
		}
	})
}

func TestLossOfMainsIsSeenWithoutEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, "0764-0501-VP1600ELCD")
		_, last, stop := running(t, f)
		time.Sleep(time.Second)
		f.status(statusBattery, 0)
		time.Sleep(tick)
		if got := says(last().OnBattery); got != "battery" {
			t.Errorf("on %s one poll later, want battery", got)
		}
		stop()
	})
}

func TestAnswersThatFailAreAbsentAndTheOthersCome(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault func(*fakeUPS)
		gone  string // the variable that is absent
	}{
		{"stalled", func(f *fakeUPS) { f.fails[0x21] = errStall }, "battery.runtime"},
		{"short", func(f *fakeUPS) { f.device.features[0x20] = []byte{0x20, 100} }, "battery.voltage"},
		{"another report's bytes", func(f *fakeUPS) { f.device.features[0x25] = []byte{0x22, 9} }, "ups.load"},
		{"empty", func(f *fakeUPS) { f.device.features[0x80] = []byte{} }, "ups.beeper.status"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, "0764-0501-VP1600ELCD")
				tt.fault(f)
				_, last, stop := running(t, f)
				time.Sleep(tick)
				names := map[string]bool{}
				for _, v := range last().Variables() {
					names[v.Name] = true
				}
				if names[tt.gone] || !names["battery.charge"] || says(last().OnBattery) != "mains" {
					t.Errorf("want all but %s, have %v", tt.gone, names)
				}
				stop()
			})
		})
	}
}

func TestStatusThatCannotBeReadIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, "0764-0501-VP1600ELCD")
		_, last, stop := running(t, f)
		time.Sleep(tick)
		f.with(func() { f.fails[0x22] = errStall })
		time.Sleep(tick)
		if got := says(last().OnBattery); got != "unknown" {
			t.Errorf("on %s, want unknown", got)
		}
		stop()
	})
}

func TestTimedOutReportEndsTheWalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, "0764-0501-VP1600ELCD")
		f.fails[0x20] = errTimeout
		_, last, stop := running(t, f)
		time.Sleep(tick)
		if last().Charge != nil || last().PowerNominal != nil || says(last().OnBattery) != "mains" {
			t.Errorf("want the status and nothing behind the report that timed out: %v", last().Variables())
		}
		stop()
	})
}

func TestNothingIsAskedAfterABrokenTransferUntilTheHubCouldTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, "0764-0501-VP1600ELCD")
		_, _, stop := running(t, f)
		time.Sleep(tick)
		f.with(func() { f.fails[0x22], f.asked = errWire, 0 })
		time.Sleep(defaultPoll) // the poll's first transfer has just broken off
		f.with(func() {
			if f.asked != 1 {
				t.Errorf("%d transfers right after one broke off, want none", f.asked-1)
			}
		})
		f.unplug()
		time.Sleep(hubTells)
		if _, err := stop(); !errors.Is(err, errGone) {
			t.Errorf("Run = %v, want %v", err, errGone)
		}
	})
}

func TestDeviceThatAnswersNothingIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, "0764-0501-VP1600ELCD")
		for id := range 256 {
			f.fails[uint8(id)] = errTimeout
		}
		err := newDriver(f, Match{}, config{Poll: defaultPoll}, testOptions()).Run(t.Context(), func(r drivers.Reading) {
			if got := says(r.Fact.(drivers.UPS).OnBattery); got != "unknown" {
				t.Errorf("reported on %s", got)
			}
		})
		if !errors.Is(err, errNoReport) {
			t.Errorf("Run = %v, want %v", err, errNoReport)
		}
	})
}

func TestDamagedDescriptorYieldsNoStatus(t *testing.T) {
	good := captured(t, "0764-0501-VP1600ELCD").descriptor
	without := append([]byte{}, good...)
	for i := 0; i+1 < len(without); i++ {
		if without[i] == 0x09 && without[i+1] == 0xd0 && i > 100 {
			without[i+1] = 0xd3
		}
	}
	for name, d := range map[string][]byte{
		"as captured":       captured(t, "0764-0501-VP1600ELCD-CORRUPTED").descriptor,
		"cut short":         good[:300],
		"empty":             nil,
		"no ACPresent":      without,
		"a reserved item":   append(append([]byte{}, good...), 0x00),
		"a keyboard's root": append([]byte{0x05, 0x01, 0x09, 0x06, 0xa1, 0x01}, good[6:]...),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, "0764-0501-VP1600ELCD")
			f.device.descriptor = d
			err := newDriver(f, Match{}, config{Poll: defaultPoll}, testOptions()).Run(t.Context(), func(drivers.Reading) {
				t.Error("reported in spite of a damaged descriptor")
			})
			if !errors.Is(err, ErrDescriptor) || !strings.Contains(err.Error(), "0764:0501 CPS VP1600ELCD at 1-1") {
				t.Errorf("Run = %v, want %v and the device", err, ErrDescriptor)
			}
		})
	}
}

func TestChoosingADevice(t *testing.T) {
	two := fakeScan{
		{Path: "1-1", Vendor: 0x0764, Product: 0x0501, Serial: "A1", Maker: "CPS", Model: "ONE"},
		{Path: "1-2", Vendor: 0x051d, Product: 0x0002, Maker: "APC", Err: errPermission("/dev/hidraw1")},
	}
	for _, tt := range []struct {
		name  string
		match Match
		want  string // path, or a part of the error
	}{
		{"by vendor", Match{Vendor: 0x0764}, "1-1"},
		{"by serial", Match{Serial: "A1"}, "1-1"},
		{"by product and path", Match{Product: 0x0501, Path: "1-1"}, "1-1"},
		{"not there", Match{Vendor: 0x0463, Product: 1, Serial: "x", Path: "2-1"},
			`no such device: no power device on USB (looked for vendor 0463, product 0001, serial "x", path "2-1")`},
		{"two fit", Match{}, "2 power devices fit (0764:0501 CPS ONE at 1-1; 051d:0002 APC at 1-2); name one by serial or path"},
		{"no permission", Match{Path: "1-2"}, "no permission to open /dev/hidraw1; install 60-lastwatt.rules"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i, err := choose(two, tt.match)
			got := i.Path
			if err != nil {
				got = err.Error()
			}
			if !strings.HasPrefix(got, tt.want) {
				t.Errorf("choose = %q, want %q", got, tt.want)
			}
		})
	}
}

type fakeScan []Info

func (s fakeScan) Scan() ([]Info, error)     { return s, nil }
func (s fakeScan) Open(Info) (device, error) { return nil, errGone }

func TestConfigurationIsChecked(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  config
		want string
	}{
		{"empty", config{Transport: "auto", Poll: defaultPoll}, ""},
		{"all", config{Transport: "hidraw", Vendor: "0764", Product: "0x0501", Serial: "A", Path: "1-1", Poll: time.Second}, ""},
		{"vendor", config{Transport: "auto", Vendor: "CPS", Poll: defaultPoll}, `vendor: want four hexadecimal digits, such as "0764" (got "CPS")`},
		{"product", config{Transport: "auto", Product: "12345", Poll: defaultPoll}, `product: want four hexadecimal digits, such as "0764" (got "12345")`},
		{"transport", config{Transport: "serial", Poll: defaultPoll}, `transport: want auto, hidraw or gousb (got "serial")`},
		{"too often", config{Transport: "auto", Poll: time.Millisecond}, "poll: want 500ms to 15s (got 1ms)"},
		{"too seldom", config{Transport: "auto", Poll: time.Minute}, "poll: want 500ms to 15s (got 1m0s)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Kind().New(func(into any) error { *into.(*config) = tt.set; return nil }, testOptions())
			if got := fmt.Sprint(err); (err != nil || tt.want != "") && got != tt.want {
				t.Errorf("New = %v, want %q", err, tt.want)
			}
		})
	}
	bad := errors.New("line 3: unknown key")
	if _, err := Kind().New(func(any) error { return bad }, testOptions()); !errors.Is(err, bad) {
		t.Errorf("New = %v, want the decoder's error", err)
	}
}

func TestOrderEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _, stop := running(t, newFake(t, "0764-0501-VP1600ELCD"))
		time.Sleep(tick)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := d.Do(ctx, drivers.Command{Name: drivers.BeeperMute}); !errors.Is(err, context.Canceled) {
			t.Errorf("Do = %v, want context.Canceled", err)
		}
		stop()
	})
}

func TestReportThatIsLongerThanDeclaredIsWrittenAtItsLength(t *testing.T) {
	f := newFake(t, "0764-0501-VP1600ELCD")
	f.device.features[0x80] = []byte{0x80, 1, 0xaa, 0xbb}
	s, err := newSession(&fakeHandle{ups: f, out: f.out}, f.device.info, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.write(beeper, 2); err != nil || fmt.Sprint(f.writes) != "[8002]" {
		t.Errorf("wrote %v, %v, want [8002]", f.writes, err)
	}
}

func TestPacketsAreWhole(t *testing.T) {
	for _, tt := range []struct{ n, packet, want int }{{1, 8, 8}, {8, 8, 8}, {9, 8, 16}, {5, 0, 8}, {65, 64, 128}} {
		if got := packets(tt.n, tt.packet); got != tt.want {
			t.Errorf("packets(%d, %d) = %d, want %d", tt.n, tt.packet, got, tt.want)
		}
	}
}

func TestFirstReadingIsWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, "0764-0501-VP1600ELCD")
		_, _, stop := running(t, f)
		time.Sleep(tick)
		readings, _ := stop()
		if u := readings[0].Fact.(drivers.UPS); u.PowerNominal == nil || u.Charge == nil || says(u.OnBattery) != "mains" {
			t.Errorf("the first reading has only %v", u.Variables())
		}
	})
}

func TestChargeAndRuntimeAreReadInEveryPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, "0764-0501-VP1600ELCD")
		_, last, stop := running(t, f)
		time.Sleep(tick)
		f.with(func() {
			f.device.features[0x20] = []byte{0x20, 80, 0x0a, 0x01}
			f.device.features[0x21] = []byte{0x21, 0x58, 0x02}
		})
		time.Sleep(tick)
		if u := last(); *u.Charge != 80 || *u.Runtime != 10*time.Minute {
			t.Errorf("charge %v, runtime %v one poll later, want 80 %%, 10m", *u.Charge, *u.Runtime)
		}
		stop()
	})
}

func TestEventIsToldWhileAnAnswerIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, "0764-0501-VP1600ELCD")
		_, last, stop := running(t, f)
		time.Sleep(time.Second)
		f.with(func() { f.slow = 4 * time.Second })
		time.Sleep(1500 * time.Millisecond) // a poll has begun
		f.with(func() {
			f.device.features[0x22] = []byte{0x22, statusBattery}
			f.device.features[0x23] = []byte{0x23, 0, 0, 0, 0}
		})
		f.frames <- []byte{0x22, statusBattery}
		synctest.Wait()
		if got := says(last().OnBattery); got != "mains" {
			t.Errorf("one event that could not be confirmed yet: on %s", got)
		}
		f.frames <- []byte{0x22, statusBattery}
		synctest.Wait()
		if got := says(last().OnBattery); got != "battery" {
			t.Errorf("two events while the device is slow to answer: on %s, want battery", got)
		}
		f.with(func() { f.slow = 0 })
		time.Sleep(10 * time.Second)
		if got := says(last().OnBattery); got != "battery" {
			t.Errorf("after its answers: on %s, want battery", got)
		}
		stop()
	})
}

func TestALostDeviceIsTakenAgainAndNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, "0764-0501-VP1600ELCD")
		d := newDriver(f, Match{}, config{Poll: defaultPoll}, testOptions())
		once := func() error {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			return d.Run(ctx, func(drivers.Reading) { cancel() })
		}
		if err := once(); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		f.with(func() { f.device.info.Path = "1-2" })
		if err := once(); !errors.Is(err, context.Canceled) {
			t.Errorf("at another place: Run = %v, want the same device", err)
		}
		f.with(func() { f.device.info.Path, f.device.info.Model = "1-3", "VALUE600E" })
		if err := once(); !errors.Is(err, drivers.ErrNoDevice) {
			t.Errorf("another model at another place: Run = %v, want %v", err, drivers.ErrNoDevice)
		}
		f.with(func() { f.device.info.Path = "1-2" })
		if err := once(); !errors.Is(err, context.Canceled) {
			t.Errorf("another model at the same place: Run = %v, want it taken", err)
		}
	})
}

func TestWhatIsToldWhileAnEdgeIsConfirmedStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, "0764-0501-VP1600ELCD")
		_, last, stop := running(t, f)
		time.Sleep(time.Second)
		f.with(func() { f.slow = 1500 * time.Millisecond; f.fails[0x22] = errTimeout })
		f.frames <- []byte{0x22, statusBattery} // its confirmation waits, and fails
		time.Sleep(100 * time.Millisecond)
		f.frames <- []byte{0x22, statusMains}
		time.Sleep(4 * time.Second)
		if got := says(last().OnBattery); got == "battery" {
			t.Error("on battery, though the device had said since that mains is there")
		}
		readings, _ := stop()
		for _, r := range readings {
			if b := r.Fact.(drivers.UPS).OnBattery; b != nil && *b {
				t.Error("an edge that was taken back at once was reported")
			}
		}
	})
}
