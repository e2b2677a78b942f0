package nut

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lastwatt/drivers"
)

// ordered gives an order to a driver that runs, in fake time.
func ordered(t *testing.T, c drivers.Command, change func(*fakeUPSD)) (*fakeUPSD, drivers.Answer, error) {
	t.Helper()
	f := newFake(t)
	change(f)
	r := start(t, newDriver(f, testConfig(t), testOptions()))
	synctest.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	a, err := r.Do(ctx, c)
	r.stop()
	return f, a, err
}

func TestCutIsArmedAndReadBack(t *testing.T) {
	const asked = 90 * time.Second
	fixed := func(value string) func(*fakeUPSD) {
		return func(f *fakeUPSD) { f.rw, f.vars["ups.delay.shutdown"] = nil, value }
	}
	for _, tt := range []struct {
		name   string
		change func(*fakeUPSD)
		want   time.Duration
		sent   string // of SET VAR and INSTCMD
	}{
		{"the delay is set", func(*fakeUPSD) {}, asked, "SET VAR main ups.delay.shutdown 90; INSTCMD main shutdown.return"},
		{"the delay is right already", fixed("90"), asked, "INSTCMD main shutdown.return"},
		{"a longer one that cannot be set", fixed("180"), 180 * time.Second, "SET VAR main ups.delay.shutdown 90; INSTCMD main shutdown.return"},
		{"whole minutes of a CyberPower", func(f *fakeUPSD) { f.vars["ups.vendorid"] = "0764" }, 2 * time.Minute,
			"SET VAR main ups.delay.shutdown 120; INSTCMD main shutdown.return"},
		{"a CyberPower that would come on without mains", func(f *fakeUPSD) {
			f.vars["driver.version.data"], f.vars["ups.delay.start"] = "CyberPower HID 0.82", "120"
			f.rw = append(f.rw, "ups.delay.start")
		}, 2 * time.Minute, "SET VAR main ups.delay.start 0; SET VAR main ups.delay.shutdown 120; INSTCMD main shutdown.return"},
		{"one whose start delay is fixed", func(f *fakeUPSD) { f.vars["ups.vendorid"], f.vars["ups.delay.start"] = "0764", "120" }, 2 * time.Minute,
			"SET VAR main ups.delay.start 0; SET VAR main ups.delay.shutdown 120; INSTCMD main shutdown.return"},
		{"another maker's start delay", func(f *fakeUPSD) { f.vars["ups.vendorid"], f.vars["ups.delay.start"] = "0463", "120" }, asked,
			"SET VAR main ups.delay.shutdown 90; INSTCMD main shutdown.return"},
		{"a delay that changes late, and nobody tracks", func(f *fakeUPSD) {
			f.tracking, f.vars["ups.delay.shutdown"] = false, "600"
			f.answer = instead(f, "SET VAR", func() {
				time.AfterFunc(2*time.Second, func() { f.with(func() { f.vars["ups.delay.shutdown"] = "90" }) })
			})
		}, asked, "SET VAR main ups.delay.shutdown 90; INSTCMD main shutdown.return"},
		{"one of a few values", func(f *fakeUPSD) { f.enum = map[string][]string{"ups.delay.shutdown": {"020", "180", "300", "600"}} }, 180 * time.Second,
			"SET VAR main ups.delay.shutdown 90; SET VAR main ups.delay.shutdown 180; INSTCMD main shutdown.return"},
		{"a range above it", func(f *fakeUPSD) { f.limits = map[string][2]int{"ups.delay.shutdown": {120, 600}} }, 2 * time.Minute,
			"SET VAR main ups.delay.shutdown 90; SET VAR main ups.delay.shutdown 120; INSTCMD main shutdown.return"},
		{"no timer, tracking", func(f *fakeUPSD) { delete(f.vars, "ups.timer.shutdown") }, asked, "SET VAR main ups.delay.shutdown 90; INSTCMD main shutdown.return"},
		{"no tracking, timer", func(f *fakeUPSD) { f.tracking = false }, asked, "SET VAR main ups.delay.shutdown 90; INSTCMD main shutdown.return"},
		{"neither", func(f *fakeUPSD) { f.tracking = false; delete(f.vars, "ups.timer.shutdown") }, asked,
			"SET VAR main ups.delay.shutdown 90; INSTCMD main shutdown.return"},
		{"one that counts longer", func(f *fakeUPSD) { f.answer = instead(f, "INSTCMD", func() { f.vars["ups.timer.shutdown"] = "120" }) }, 115 * time.Second,
			"SET VAR main ups.delay.shutdown 90; INSTCMD main shutdown.return"},
		{"a driver that takes its time", func(f *fakeUPSD) { f.lag = 4 * time.Second }, asked, "SET VAR main ups.delay.shutdown 90; INSTCMD main shutdown.return"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, a, err := ordered(t, drivers.Command{Name: drivers.ShutdownReturn, Delay: asked}, tt.change)
				if err != nil || a.Delay != tt.want {
					t.Errorf("Do = %v, %v, want a delay of %v", a.Delay, err, tt.want)
				}
				if got := sent(f); got != tt.sent {
					t.Errorf("sent %s, want %s", got, tt.sent)
				}
			})
		})
	}
}

// sent are the orders that a server got.
func sent(f *fakeUPSD) string {
	return strings.Join(slices.DeleteFunc(f.requests(""), func(r string) bool {
		return !strings.HasPrefix(r, "SET VAR") && !strings.HasPrefix(r, "INSTCMD")
	}), "; ")
}

// instead answers the requests of a kind with OK, and does this alone.
func instead(f *fakeUPSD, kind string, do func()) func(string, net.Conn) bool {
	return func(request string, c net.Conn) bool {
		if !strings.HasPrefix(request, kind) {
			return false
		}
		f.with(func() { f.counting = time.Now(); do() })
		fmt.Fprintln(c, "OK")
		return true
	}
}

func TestCutThatIsNotAsOrderedIsAnError(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*fakeUPSD)
		want   string
		cut    bool // an order to cut was sent, and has to be stopped
	}{
		{"too short, and fixed", func(f *fakeUPSD) { f.rw = nil },
			"the server's delay is 20s, 1m30s is needed, and it cannot be set: set offdelay = 90 for this UPS in the server's ups.conf: set ups.delay.shutdown: the server refuses it (READONLY)", false},
		{"no value that is long enough", func(f *fakeUPSD) { f.enum = map[string][]string{"ups.delay.shutdown": {"020", "60"}} },
			"the server's delay is 20s, 1m30s is needed, and it cannot be set: set offdelay = 90 for this UPS in the server's ups.conf: set ups.delay.shutdown: the server refuses it (INVALID-VALUE)", false},
		{"no delay at all", func(f *fakeUPSD) { delete(f.vars, "ups.delay.shutdown") },
			"the server has no ups.delay.shutdown that could be set, so its delay is not known: set ups.delay.shutdown: the server refuses it (VAR-NOT-SUPPORTED)", false},
		{"a delay that does not change", func(f *fakeUPSD) { f.answer = instead(f, "SET VAR", func() {}) }, `ups.delay.shutdown was set to 90 s, and reads "20"`, false},
		{"it fails", func(f *fakeUPSD) { f.vars["ups.delay.shutdown"] = "90"; f.outcome = "ERR FAILED" }, `NUT's driver did not do it: it says "ERR FAILED"`, false},
		{"it counts too little", func(f *fakeUPSD) {
			f.answer = func(request string, c net.Conn) bool {
				return strings.HasPrefix(request, "INSTCMD main shutdown.return") &&
					instead(f, "INSTCMD", func() { f.vars["ups.timer.shutdown"] = "60" })(request, c)
			}
		}, `a delay of 1m30s was ordered, and ups.timer.shutdown reads "52"; it was stopped`, true},
		{"it does not count, and nobody tracks", func(f *fakeUPSD) {
			f.tracking = false
			f.answer = func(request string, c net.Conn) bool {
				return strings.HasPrefix(request, "INSTCMD main shutdown.return") && instead(f, "INSTCMD", func() {})(request, c)
			}
		}, `a delay of 1m30s was ordered, and ups.timer.shutdown reads "-1"; it was stopped`, true},
		{"it counts too little and cannot be stopped", func(f *fakeUPSD) {
			f.cmds = []string{"shutdown.return"}
			f.answer = instead(f, "INSTCMD", func() { f.vars["ups.timer.shutdown"] = "60" })
		}, `a delay of 1m30s was ordered, and ups.timer.shutdown reads "52"; it cannot be stopped, so it may still come`, false},
		{"its outcome does not come", func(f *fakeUPSD) { f.vars["ups.delay.shutdown"] = "90"; f.lag = time.Hour },
			"NUT's driver has not answered in 10s: it may still be carried out", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, _, err := ordered(t, drivers.Command{Name: drivers.ShutdownReturn, Delay: 90 * time.Second}, tt.change)
				if want := `order "shutdown.return" to main@nas:3493: ` + tt.want; fmt.Sprint(err) != want {
					t.Errorf("Do = %v, want %s", err, want)
				}
				if got := sent(f); tt.cut != strings.HasSuffix(got, "INSTCMD main shutdown.return; INSTCMD main shutdown.stop") {
					t.Errorf("sent %s", got)
				}
			})
		})
	}
}

func TestCommands(t *testing.T) {
	for _, tt := range []struct {
		name    string
		command drivers.Command
		change  func(*fakeUPSD)
		sent    string
		want    string // of the error
		is      error
	}{
		{"one without a delay", drivers.Command{Name: drivers.BeeperMute}, func(*fakeUPSD) {}, "INSTCMD main beeper.mute", "", nil},
		{"one that is not listed", drivers.Command{Name: drivers.TestDeep}, func(*fakeUPSD) {}, "",
			`the device does not know this command: NUT's driver usbhid-ups offers ["beeper.enable" "beeper.mute" "load.off"`, drivers.ErrUnsupported},
		{"commands that come late", drivers.Command{Name: drivers.BeeperMute}, func(f *fakeUPSD) {
			cmds := f.cmds
			f.cmds = nil
			time.AfterFunc(time.Second, func() { f.with(func() { f.cmds = cmds }) })
		}, "INSTCMD main beeper.mute", "", nil},
		{"no commands at all", drivers.Command{Name: drivers.BeeperMute}, func(f *fakeUPSD) { f.cmds = nil }, "",
			"the device does not know this command: NUT's driver usbhid-ups offers []", drivers.ErrUnsupported},
		{"one of no UPS", drivers.Command{Name: "load.explode"}, func(*fakeUPSD) {}, "", `order "load.explode": the device does not know this command; want one of`, drivers.ErrUnsupported},
		{"a cut without a delay", drivers.Command{Name: drivers.ShutdownReturn}, func(*fakeUPSD) {}, "", "delay: want a time above 0s (got 0s)", nil},
		{"a wrong password", drivers.Command{Name: drivers.BeeperMute}, func(f *fakeUPSD) { f.password = "other" }, "INSTCMD main beeper.mute",
			"the server does not let this user do it: check user and password_file", drivers.ErrPermission},
		{"stay off", drivers.Command{Name: drivers.ShutdownStayoff, Delay: 20 * time.Second}, func(*fakeUPSD) {}, "INSTCMD main shutdown.stayoff", "", nil},
		{"stop", drivers.Command{Name: drivers.ShutdownStop}, func(f *fakeUPSD) { f.vars["ups.timer.shutdown"] = "3000"; f.counting = time.Now() }, "INSTCMD main shutdown.stop", "", nil},
		{"stop that does not", drivers.Command{Name: drivers.ShutdownStop}, func(f *fakeUPSD) {
			f.vars["ups.timer.shutdown"] = "3000"
			f.answer = instead(f, "INSTCMD", func() {})
		}, "INSTCMD main shutdown.stop", "ups.timer.shutdown still counts: it reads 2992 s", nil},
		{"outlets off after a delay", drivers.Command{Name: drivers.LoadOffDelay, Delay: 30 * time.Second}, func(*fakeUPSD) {}, "INSTCMD main load.off.delay 30", "", nil},
		{"outlets on after a delay", drivers.Command{Name: drivers.LoadOnDelay, Delay: 30 * time.Second}, func(*fakeUPSD) {}, "INSTCMD main load.on.delay 30", "", nil},
		{"a delay that nobody reads back", drivers.Command{Name: drivers.LoadOffDelay, Delay: 30 * time.Second}, func(f *fakeUPSD) { delete(f.vars, "ups.timer.shutdown") }, "",
			"the device does not know this command with a delay that can be read back: there is no ups.timer.shutdown", drivers.ErrUnsupported},
		{"a driver that does not know it after all", drivers.Command{Name: drivers.BeeperMute}, func(f *fakeUPSD) { f.outcome = "ERR UNKNOWN" }, "INSTCMD main beeper.mute",
			`NUT's driver did not do it: it says "ERR UNKNOWN"`, nil},
		{"an answer that is none", drivers.Command{Name: drivers.BeeperMute}, func(f *fakeUPSD) { f.outcome = "PERHAPS" }, "INSTCMD main beeper.mute",
			`not what a NUT server says: "PERHAPS" to GET TRACKING`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, a, err := ordered(t, tt.command, tt.change)
				if tt.want == "" && (err != nil || a.Delay != tt.command.Delay) || tt.want != "" && !strings.Contains(fmt.Sprint(err), tt.want) || tt.is != nil && !errors.Is(err, tt.is) {
					t.Errorf("Do = %v, %v, want %q", a, err, tt.want)
				}
				if got := sent(f); got != tt.sent {
					t.Errorf("sent %q, want %q", got, tt.sent)
				}
			})
		})
	}
}

func TestCommandWithoutAUserSaysWhatToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c := testConfig(t)
		c.User, c.PasswordFile = "", ""
		r := start(t, newDriver(f, c, testOptions()))
		synctest.Wait()
		_, err := r.Do(t.Context(), drivers.Command{Name: drivers.BeeperMute})
		if !errors.Is(err, drivers.ErrPermission) || !strings.Contains(fmt.Sprint(err), "a command needs user and password_file") || sent(f) != "" {
			t.Errorf("Do = %v", err)
		}
		_, err = r.Do(t.Context(), drivers.Command{Name: drivers.TestDeep})
		if !errors.Is(err, drivers.ErrUnsupported) {
			t.Errorf("Do = %v, want %v", err, drivers.ErrUnsupported)
		}
	})
}

func TestReadingsGoOnWhileACommandWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.lag = 6 * time.Second
		r := start(t, newDriver(f, testConfig(t), testOptions()))
		synctest.Wait()
		go func() {
			time.Sleep(2 * time.Second)
			f.with(func() { f.vars["ups.status"] = "OB" })
		}()
		done := make(chan error, 1)
		go func() {
			_, err := r.Do(t.Context(), drivers.Command{Name: drivers.BeeperMute})
			done <- err
		}()
		time.Sleep(3 * time.Second)
		if got := says(r.last()); got != "battery" || len(done) > 0 {
			t.Errorf("on %s while the command waits (%d done), want battery", got, len(done))
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestServerLostInACommandAnswersIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.answer = func(request string, c net.Conn) bool {
			if strings.HasPrefix(request, "INSTCMD") {
				c.Close()
				return true
			}
			return false
		}
		r := start(t, newDriver(f, testConfig(t), testOptions()))
		synctest.Wait()
		_, err := r.Do(t.Context(), drivers.Command{Name: drivers.BeeperMute})
		if fmt.Sprint(err) != `order "beeper.mute" to main@nas:3493: the server closed the connection` {
			t.Errorf("Do = %v", err)
		}
		<-r.ended
		if fmt.Sprint(r.err) != "read main@nas:3493: the server closed the connection" {
			t.Errorf("Run = %v", r.err)
		}
		if _, err := r.Do(t.Context(), drivers.Command{Name: drivers.BeeperMute}); !errors.Is(err, drivers.ErrNotRunning) {
			t.Errorf("Do = %v, want %v", err, drivers.ErrNotRunning)
		}
	})
}

func TestCommandEndsWithItsContextAndWithTheDriver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.lag = time.Hour
		r := start(t, newDriver(f, testConfig(t), testOptions()))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.Do(ctx, drivers.Command{Name: drivers.BeeperMute}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Do = %v, want its context's error", err)
		}
		if _, err := r.Do(ctx, drivers.Command{Name: drivers.BeeperEnable}); !errors.Is(err, context.DeadlineExceeded) || strings.Contains(sent(f), "enable") {
			t.Errorf("Do = %v after its context ended; sent %s", err, sent(f))
		}
		go func() { time.Sleep(time.Second); r.cancel() }()
		if _, err := r.Do(t.Context(), drivers.Command{Name: drivers.BeeperMute}); err == nil {
			t.Error("Do = nil though the driver was stopped")
		}
		<-r.ended
		if !errors.Is(r.err, context.Canceled) {
			t.Errorf("Run = %v, want %v", r.err, context.Canceled)
		}
	})
}

func TestAnswerThatComesTooLateIsNotTakenForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.answer = func(request string, c net.Conn) bool {
			if !strings.HasPrefix(request, "INSTCMD") {
				return false
			}
			time.Sleep(answerTimeout + time.Second)
			fmt.Fprint(c, "BEGIN LIST VAR main\nVAR main ups.status \"OB\"\nEND LIST VAR main\n")
			return true
		}
		r := start(t, newDriver(f, testConfig(t), testOptions()))
		synctest.Wait()
		began := time.Now()
		_, err := r.Do(t.Context(), drivers.Command{Name: drivers.BeeperMute})
		if fmt.Sprint(err) != `order "beeper.mute" to main@nas:3493: no answer in 5s` {
			t.Errorf("Do = %v", err)
		}
		<-r.ended
		if fmt.Sprint(r.err) != "read main@nas:3493: no answer in 5s" || time.Since(began) > answerTimeout || says(r.last()) != "mains" {
			t.Errorf("Run = %v after %v, on %s", r.err, time.Since(began), says(r.last()))
		}
	})
}

func TestOrderThatNobodyTakesEndsWithTheDriver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		r := start(t, newDriver(f, testConfig(t), testOptions()))
		synctest.Wait()
		f.with(func() { f.answer = func(string, net.Conn) bool { return true } })
		time.Sleep(2 * defaultPoll) // it waits for an answer
		if _, err := r.Do(t.Context(), drivers.Command{Name: drivers.BeeperMute}); !errors.Is(err, drivers.ErrNotRunning) {
			t.Errorf("Do = %v, want %v", err, drivers.ErrNotRunning)
		}
	})
}

func TestOrderWhoseTimeIsOverIsNotSent(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	// There is no connection that it could use.
	if _, err := (&session{}).do(ctx, drivers.Command{Name: drivers.BeeperMute}); !errors.Is(err, context.Canceled) {
		t.Errorf("do = %v, want %v", err, context.Canceled)
	}
}
