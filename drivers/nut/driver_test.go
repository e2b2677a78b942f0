package nut

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lastwatt/drivers"
	"lastwatt/drivers/drivertest"
)

func TestDriverKeepsADriversPromises(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) drivertest.Rig {
		f := newFake(t)
		return drivertest.Rig{Driver: newDriver(f, testConfig(t), testOptions()), Unplug: f.hangUp, Plug: func() { f.with(func() { f.down = false }) }}
	})
}

func TestOutageIsSeenWithinAPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		r := start(t, newDriver(f, testConfig(t), testOptions()))
		synctest.Wait()
		if got := says(r.last()); got != "mains" || r.count() != 1 {
			t.Fatalf("on %s after %d readings, want mains after the first", got, r.count())
		}
		f.with(func() { f.vars["ups.status"] = "OB DISCHRG" })
		time.Sleep(defaultPoll)
		synctest.Wait()
		if got := says(r.last()); got != "battery" {
			t.Errorf("on %s one poll later, want battery", got)
		}
	})
}

// TestWhatIsNotFreshIsNotReported: nothing of these gives a reading, and none is
// taken for mains.
func TestWhatIsNotFreshIsNotReported(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault func(*fakeUPSD)
		want  string
		after time.Duration // at most, from the poll that meets it
	}{
		{"stale data", func(f *fakeUPSD) { f.with(func() { f.refusal = "DATA-STALE" }) },
			"read main@nas:3493: the server has no fresh data: its driver does not hear from the UPS; look at nut-driver on the server (DATA-STALE)", 0},
		{"no driver", func(f *fakeUPSD) { f.with(func() { f.refusal = "DRIVER-NOT-CONNECTED" }) },
			"read main@nas:3493: the server's driver does not run: look at nut-driver on the server (DRIVER-NOT-CONNECTED)", 0},
		{"the UPS is gone from its configuration", func(f *fakeUPSD) { f.with(func() { f.names = []string{"other"} }) },
			`read main@nas:3493: the server has no UPS of this name: "upsc -l HOST" lists its names (UNKNOWN-UPS)`, 0},
		{"a driver that has told nothing yet", func(f *fakeUPSD) { f.with(func() { f.vars = nil }) },
			"read main@nas:3493: the server has no status of it yet: its driver has told nothing", 0},
		{"a driver that waits", func(f *fakeUPSD) { f.with(func() { f.vars["ups.status"] = "WAIT" }) },
			"read main@nas:3493: the server has no status of it yet: its driver has told nothing", 0},
		{"an empty status", func(f *fakeUPSD) { f.with(func() { f.vars["ups.status"] = " " }) },
			"read main@nas:3493: the server has no status of it yet: its driver has told nothing", 0},
		{"a closed connection", (*fakeUPSD).hangUp, "read main@nas:3493: the server closed the connection", 0},
		{"a server that says nothing", answering(func(net.Conn) {}), "read main@nas:3493: no answer in 5s", answerTimeout},
		{"half a line", answering(func(c net.Conn) { io.WriteString(c, "BEGIN LIST VAR main\nVAR ma"); c.Close() }), "read main@nas:3493: the server closed the connection", 0},
		{"half a list", answering(func(c net.Conn) { io.WriteString(c, "BEGIN LIST VAR main\nVAR main ups.status \"OL\"\n") }), "read main@nas:3493: no answer in 5s", answerTimeout},
		{"a drop a second", answering(func(c net.Conn) {
			for _, b := range []byte("BEGIN LIST VAR main\nVAR main ups.status \"OL\"\nEND LIST VAR main\n") {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}), "read main@nas:3493: no answer in 5s", answerTimeout},
		{"a line of 1 MB", answering(func(c net.Conn) { c.Write(bytes.Repeat([]byte("x"), 1<<20)) }), "read main@nas:3493: not what a NUT server says: a line of more than 8192 bytes", 0},
		{"garbage", answering(func(c net.Conn) { io.WriteString(c, "\x00\xff\x16 \"\\\n") }), `read main@nas:3493: not what a NUT server says: "\x00\xff\x16 \"\\" to LIST VAR main`, 0},
		{"a list that never ends", answering(func(c net.Conn) {
			io.WriteString(c, "BEGIN LIST VAR main\n")
			for {
				if _, err := io.WriteString(c, "VAR main ups.status \"OL\"\n"); err != nil {
					return
				}
			}
		}), "read main@nas:3493: not what a NUT server says: a list of more than 4096 rows", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				r := start(t, newDriver(f, testConfig(t), testOptions()))
				synctest.Wait()
				before := r.count()
				tt.fault(f)
				began := time.Now()
				<-r.ended
				if fmt.Sprint(r.err) != tt.want {
					t.Errorf("Run = %v, want %s", r.err, tt.want)
				}
				if r.count() != before {
					t.Errorf("reported %s", says(r.last()))
				}
				if took := time.Since(began); took > defaultPoll+tt.after {
					t.Errorf("it took %v, want %v at most", took, defaultPoll+tt.after)
				}
			})
		})
	}
}

// answering answers every LIST VAR from now on itself.
func answering(answer func(net.Conn)) func(*fakeUPSD) {
	return func(f *fakeUPSD) {
		f.with(func() {
			f.answer = func(request string, c net.Conn) bool {
				if strings.HasPrefix(request, "LIST VAR") {
					answer(c)
					return true
				}
				return false
			}
		})
	}
}

func TestFaultThatLastsHasOneTextAndNoLine(t *testing.T) {
	for name, fault := range map[string]func(*fakeUPSD){
		"down":     func(f *fakeUPSD) { f.down = true },
		"stale":    func(f *fakeUPSD) { f.refusal = "DATA-STALE" },
		"silent":   func(f *fakeUPSD) { f.answer = func(string, net.Conn) bool { return true } },
		"hangs up": func(f *fakeUPSD) { f.answer = func(_ string, c net.Conn) bool { c.Close(); return true } },
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			fault(f)
			var log bytes.Buffer
			c := testConfig(t)
			c.Login = true
			d := newDriver(f, c, drivers.Options{Name: "main", Log: slog.New(slog.NewTextHandler(&log, nil))})
			texts := map[string]int{}
			for range 20 {
				texts[fmt.Sprint(d.Run(t.Context(), func(drivers.Reading) { t.Error("it reported") }))]++
			}
			if len(texts) != 1 || log.Len() > 0 {
				t.Errorf("%s: %d texts %v, log %q; want one text and no line", name, len(texts), texts, log.String())
			}
			if got := f.requests("LOGIN"); len(got) > 0 {
				t.Errorf("%s: logged in %d times to a UPS that does not answer", name, len(got))
			}
		})
	}
}

func TestFaultsOfTheNetworkNameNoPort(t *testing.T) {
	reset := errors.New("connection reset by peer")
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&net.OpError{Op: "read", Net: "tcp", Source: &net.TCPAddr{Port: 40123}, Err: reset}, "connection reset by peer"},
		{io.ErrUnexpectedEOF, "the server closed the connection"},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, "no answer in 5s"},
		{&net.OpError{Op: "write", Err: net.ErrClosed}, "the server closed the connection"},
	} {
		if got := plain(tt.err); fmt.Sprint(got) != tt.want {
			t.Errorf("%v becomes %q, want %q", tt.err, got, tt.want)
		}
	}
}

func TestServersOnlyUPSIsTaken(t *testing.T) {
	for _, tt := range []struct {
		names []string
		want  string
	}{
		{[]string{"main"}, "context canceled"},
		{nil, "NUT server nas:3493: no such device: the server has no UPS"},
		{[]string{"main", "desk"}, "NUT server nas:3493: the server has several UPSes: say which with ups: (one of main, desk)"},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			f.names = tt.names
			c := testConfig(t)
			c.UPS = ""
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			err := newDriver(f, c, testOptions()).Run(ctx, func(drivers.Reading) { cancel() })
			if fmt.Sprint(err) != tt.want {
				t.Errorf("%q: Run = %v, want %s", tt.names, err, tt.want)
			}
		})
	}
}

func TestUnknownUPSIsNoDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testConfig(t)
		c.UPS = "mian"
		err := newDriver(newFake(t), c, testOptions()).Run(t.Context(), func(drivers.Reading) {})
		if !errors.Is(err, drivers.ErrNoDevice) || !strings.Contains(fmt.Sprint(err), `read mian@nas:3493: the server has no UPS of this name: "upsc -l HOST" lists its names`) {
			t.Errorf("Run = %v", err)
		}
	})
}

func TestLoginIsOnceForEachConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c := testConfig(t)
		c.Login = true
		r := start(t, newDriver(f, c, testOptions()))
		time.Sleep(10 * defaultPoll)
		r.stop()
		if got := f.requests("LOGIN"); len(got) != 1 || got[0] != "LOGIN main" {
			t.Errorf("sent %q, want one LOGIN", got)
		}
		start(t, newDriver(f, testConfig(t), testOptions())).stop()
		if got := f.requests("LOGIN"); len(got) != 1 {
			t.Errorf("logged in without being told to: %q", got)
		}
	})
}

func TestWrongPasswordSaysWhatToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.password = "other"
		c := testConfig(t)
		c.Login = true
		err := newDriver(f, c, testOptions()).Run(t.Context(), func(drivers.Reading) {})
		if !errors.Is(err, drivers.ErrPermission) || !strings.Contains(fmt.Sprint(err), `log in to main@nas:3493 as "lab": the server does not let this user do it: check user and password_file`) {
			t.Errorf("Run = %v", err)
		}
	})
}

func TestPasswordIsReadForEveryConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.password = `s"p a\ce`
		for _, tt := range []struct{ text, want string }{
			{"s\"p a\\ce\r\nmore\n", "context canceled"},
			{"\n", "the first line of "},
		} {
			c := testConfig(t)
			c.Login, c.PasswordFile = true, file(t, "password", tt.text)
			ctx, cancel := context.WithCancel(t.Context())
			err := newDriver(f, c, testOptions()).Run(ctx, func(drivers.Reading) { time.AfterFunc(time.Second, cancel) })
			cancel()
			if !strings.Contains(fmt.Sprint(err), tt.want) {
				t.Errorf("%q: Run = %v, want %s", tt.text, err, tt.want)
			}
		}
		c := testConfig(t)
		c.PasswordFile = "/nowhere/password"
		if err := newDriver(f, c, testOptions()).Run(t.Context(), func(drivers.Reading) {}); fmt.Sprint(err) !=
			"NUT server nas:3493: read the password: open /nowhere/password: no such file or directory" {
			t.Errorf("Run = %v", err)
		}
	})
}

func TestRowThatCannotBeReadIsOneWarning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.answer = func(request string, c net.Conn) bool {
			if strings.HasPrefix(request, "LIST VAR") {
				io.WriteString(c, "BEGIN LIST VAR main\nVAR main ups.model \"half\nVAR main ups.status \"OB\"\nVAR main ups.load\nEND LIST VAR main\n")
				return true
			}
			return false
		}
		r := start(t, newDriver(f, testConfig(t), testOptions()))
		synctest.Wait()
		if got := fmt.Sprint(says(r.last()), r.last().Warnings); got != "battery[the server's line for ups.model cannot be read the server's line for ups.load cannot be read]" {
			t.Errorf("got %s", got)
		}
	})
}

func TestManyRowsThatCannotBeReadAreNotToldOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.answer = func(request string, c net.Conn) bool {
			if strings.HasPrefix(request, "LIST VAR") {
				io.WriteString(c, "BEGIN LIST VAR main\nVAR main ups.status \"OL\"\n"+strings.Repeat("VAR main x \"half\n", 1000)+"END LIST VAR main\n")
				return true
			}
			return false
		}
		r := start(t, newDriver(f, testConfig(t), testOptions()))
		synctest.Wait()
		if w := r.last().Warnings; len(w) != 6 || w[5] != "995 more of the server's lines cannot be read" {
			t.Errorf("warnings %q", w)
		}
	})
}
