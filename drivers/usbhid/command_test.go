package usbhid

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lastwatt/drivers"
)

// do runs one order on a fresh VP1600ELCD and returns the answer, the bytes
// written and the time that it took.
func do(t *testing.T, prepare func(*fakeUPS), c drivers.Command) (a drivers.Answer, writes []string, took time.Duration, err error) {
	t.Helper()
	f := newFake(t, "0764-0501-VP1600ELCD")
	if prepare != nil {
		prepare(f)
	}
	d, _, stop := running(t, f)
	time.Sleep(time.Second)
	start := time.Now()
	a, err = d.Do(t.Context(), c)
	took = time.Since(start)
	stop()
	return a, f.writes, took, err
}

func TestOrdersWriteWhatTheDeviceNeeds(t *testing.T) {
	for _, tt := range []struct {
		name   drivers.CommandName
		delay  time.Duration
		writes string
		answer time.Duration
	}{
		{drivers.BeeperDisable, 0, "[8001]", 0},
		{drivers.BeeperEnable, 0, "[8002]", 0},
		{drivers.BeeperMute, 0, "[8003]", 0},
		{drivers.TestQuick, 0, "[8501]", 0},
		{drivers.TestDeep, 0, "[8502]", 0},
		{drivers.TestStop, 0, "[8503]", 0},
		{drivers.ShutdownReturn, 2 * time.Minute, "[870000 860200]", 2 * time.Minute},
		{drivers.ShutdownReturn, 61 * time.Second, "[870000 860200]", 2 * time.Minute},
		{drivers.ShutdownReturn, 20 * time.Second, "[870000 860100]", time.Minute},
		{drivers.LoadOff, 0, "[860000]", 0},
		{drivers.LoadOffDelay, time.Second, "[860100]", time.Minute},
		{drivers.LoadOn, 0, "[870000]", 0},
		{drivers.LoadOnDelay, 3 * time.Minute, "[870300]", 3 * time.Minute},
		{drivers.ShutdownStayoff, time.Minute, "[87ffff 860100]", time.Minute},
		{drivers.ShutdownStop, 0, "[86ffff]", 0},
	} {
		t.Run(fmt.Sprint(tt.name, " after ", tt.delay), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, writes, took, err := do(t, nil, drivers.Command{Name: tt.name, Delay: tt.delay})
				if err != nil || fmt.Sprint(writes) != tt.writes || a.Delay != tt.answer {
					t.Errorf("Do = %v, %v, wrote %v; want %v, wrote %s", a.Delay, err, writes, tt.answer, tt.writes)
				}
				if len(writes) == 2 && took != settle {
					t.Errorf("the two writes were %v apart, want %v", took, settle)
				}
			})
		})
	}
}

func TestOrdersThatFailSayWhy(t *testing.T) {
	for _, tt := range []struct {
		name    string
		prepare func(*fakeUPS)
		command drivers.Command
		want    string
	}{
		{"ignored shutdown delay", func(f *fakeUPS) { f.stuck[0x86] = true }, drivers.Command{Name: drivers.ShutdownReturn, Delay: time.Minute},
			`order "shutdown.return" to 0764:0501 CPS VP1600ELCD at 1-1: UPS.Output.DelayBeforeShutdown: wrote 1 (60), and the device holds -1 (-60)`},
		{"ignored start delay: no countdown is armed", func(f *fakeUPS) { f.stuck[0x87] = true }, drivers.Command{Name: drivers.ShutdownReturn, Delay: time.Minute},
			`UPS.Output.DelayBeforeStartup: wrote 0 (0), and the device holds -1 (-60)`},
		{"ignored beeper", func(f *fakeUPS) { f.stuck[0x80] = true }, drivers.Command{Name: drivers.BeeperMute},
			"UPS.PowerSummary.AudibleAlarmControl: wrote 3 (3), and the device holds 1 (1)"},
		{"delay beyond the device", nil, drivers.Command{Name: drivers.ShutdownReturn, Delay: 10000 * time.Hour},
			"delay 10000h0m0s is too long: at most 546h7m0s"},
		{"short report is not written", func(f *fakeUPS) { f.device.features[0x86] = []byte{0x86, 0xff} }, drivers.Command{Name: drivers.ShutdownStop},
			"Feature report 0x86 has 1 of 2 bytes: not written, or the rest would be lost"},
		{"report that cannot be read", func(f *fakeUPS) { f.fails[0x80] = errStall }, drivers.Command{Name: drivers.BeeperMute},
			"read Feature report 0x80: broken pipe"},
		{"unknown", nil, drivers.Command{Name: "load.explode"}, "the device does not know this command; want one of [beeper.enable "},
		{"delay that would be now", nil, drivers.Command{Name: drivers.ShutdownReturn}, "delay: want a time above 0s, since the device takes 0 for now (got 0s)"},
		{"now that the device counts down", func(f *fakeUPS) { f.stuck[0x86] = true; f.device.features[0x86] = []byte{0x86, 2, 0} }, drivers.Command{Name: drivers.LoadOff},
			"UPS.Output.DelayBeforeShutdown: wrote 0 (0), and the device holds 2 (120)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, writes, _, err := do(t, tt.prepare, tt.command)
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("Do = %v, want %q", err, tt.want)
				}
				if strings.HasPrefix(tt.name, "delay ") && len(writes) > 0 {
					t.Errorf("wrote %v, want nothing", writes)
				}
				if strings.HasPrefix(tt.name, "ignored start") && len(writes) != 1 {
					t.Errorf("wrote %v, want the start delay alone", writes)
				}
			})
		})
	}
}

func TestAnAnswerThatComesAsTheDeviceIsLostIsTaken(t *testing.T) {
	for range 20 { // what a select chooses is chance
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t, "0764-0501-VP1600ELCD")
			d, _, stop := running(t, f)
			time.Sleep(time.Second)
			f.with(func() { f.last = true })
			_, err := d.Do(t.Context(), drivers.Command{Name: drivers.TestQuick})
			if err != nil || len(f.writes) != 1 {
				t.Errorf("Do = %v, wrote %v", err, f.writes)
			}
			synctest.Wait()
			if _, err := stop(); !errors.Is(err, errGone) {
				t.Errorf("Run = %v, want %v", err, errGone)
			}
			if _, err := d.Do(t.Context(), drivers.Command{Name: drivers.TestQuick}); !errors.Is(err, drivers.ErrNotRunning) {
				t.Errorf("Do = %v after it was lost, want %v", err, drivers.ErrNotRunning)
			}
		})
	}
}

func TestCutIsRefusedWhereItsMeaningIsNotKnown(t *testing.T) {
	for _, device := range []string{"0463-ffff-Eaton-3S700", "051d-0002-BK650M2-CH", "09ae-3016-TrippLite"} {
		t.Run(device, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, device)
				d, _, stop := running(t, f)
				time.Sleep(time.Second)
				for _, name := range []drivers.CommandName{drivers.ShutdownReturn, drivers.ShutdownStayoff, drivers.ShutdownStop} {
					_, err := d.Do(t.Context(), drivers.Command{Name: name, Delay: time.Minute})
					if !errors.Is(err, drivers.ErrUnsupported) {
						t.Errorf("%s = %v, want %v", name, err, drivers.ErrUnsupported)
					}
				}
				if len(f.writes) > 0 {
					t.Errorf("wrote %v", f.writes)
				}
				stop()
			})
		})
	}
}

func TestProfileOverridesTheDescriptor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, "0764-0501-VP1600ELCD")
		d := newDriver(f, Match{}, config{Poll: defaultPoll}, testOptions())
		d.profile = Profile{DelayStep: 3 * time.Minute, StartCount: new(int64(2))}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx, func(drivers.Reading) {}) }()
		time.Sleep(time.Second)
		a, err := d.Do(t.Context(), drivers.Command{Name: drivers.ShutdownReturn, Delay: 200 * time.Second})
		if err != nil || a.Delay != 6*time.Minute || fmt.Sprint(f.writes) != "[870200 860600]" {
			t.Errorf("Do = %v, %v, wrote %v; want 6m0s, wrote [870200 860600]", a.Delay, err, f.writes)
		}
		cancel()
		<-ended
	})
}

func TestProfileIsWrittenAndReadBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "main.profile.json")
	p := Profile{Device: "0764:0501 CPS BR1200ELCD at 1-1", DelayStep: time.Minute, StartCount: new(int64(0)), CutsOnMains: true, ReturnsAlone: true, Return: 10 * time.Second, Interrupts: true}
	if err := p.Save(path); err != nil {
		t.Fatal(err)
	}
	if got, err := LoadProfile(path); err != nil || !reflect.DeepEqual(got, p) {
		t.Errorf("LoadProfile = %+v, %v, want %+v", got, err, p)
	}
	for text, want := range map[string]string{`{"delay_stepp": 60}`: "delay_stepp", `{"delay_step_ns": 7200000000000}`: "delay_step_ns: want 0s to 1h (got 2h0m0s)"} {
		os.WriteFile(path, []byte(text), 0o644)
		if _, err := LoadProfile(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("LoadProfile of %q = %v, want %q", text, err, want)
		}
	}
}

func TestWriteKeepsTheNeighboursOfAReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, "0764-0501-VP1600ELCD")
		s, err := newSession(&fakeHandle{ups: f, out: f.out}, f.device.info, nil)
		if err != nil {
			t.Fatal(err)
		}
		// Report 0x07 holds six fields; its fifth is the low-charge limit.
		if err := s.write(chargeLow, 35); err != nil || fmt.Sprint(f.writes) != "[0764050a142364]" {
			t.Errorf("wrote %v, %v, want the one byte changed", f.writes, err)
		}
	})
}
