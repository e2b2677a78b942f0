//go:build peers && linux

package nut

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lastwatt/drivers"
	"lastwatt/drivers/drivertest"
)

// A server is Debian's upsd with one UPS, main, that Debian's dummy-ups plays.
type server struct {
	t       *testing.T
	dir     string
	address string
	mu      sync.Mutex
	running map[string]*exec.Cmd
}

// steady is a UPS on mains that stays so.
const steady = `ups.status: OL CHRG
ups.mfr: CPS
ups.model: "BR \"1200\" \\ ELCD"
ups.delay.shutdown: 20
battery.charge: 99
battery.runtime: -1
battery.voltage: 27.3
ups.load: 9
input.voltage: 230.1
`

// newServer starts both. play is what dummy-ups plays: a .seq loops through it, a
// .dev is read once.
func newServer(t *testing.T, file, play, more string) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	s := &server{t: t, dir: t.TempDir(), address: address, running: map[string]*exec.Cmd{}}
	_, port, _ := net.SplitHostPort(address)
	for name, text := range map[string]string{
		"ups.conf":  "[main]\n  driver = dummy-ups\n  port = " + file + "\n  desc = \"The \\\"rack\\\"\"\n",
		file:        play,
		"upsd.conf": "LISTEN 127.0.0.1 " + port + "\nMAXAGE 10\n" + more,
		"upsd.users": "[lab]\n  password = \"s\\\"p a\\\\ce\"\n  actions = SET FSD\n  instcmds = ALL\n  upsmon secondary\n" +
			"[guest]\n  password = guest\n",
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		s.kill("upsd")
		s.kill("dummy-ups")
		if t.Failed() {
			for _, name := range []string{"upsd", "dummy-ups"} {
				text, _ := os.ReadFile(filepath.Join(s.dir, name+".log"))
				t.Logf("%s said:\n%s", name, text)
			}
		}
	})
	s.startDriver()
	s.startServer()
	return s
}

func (s *server) startDriver() {
	s.t.Helper()
	s.start("dummy-ups", "-a", "main")
	eventually(s.t, "dummy-ups has its socket", func() bool {
		_, err := os.Stat(filepath.Join(s.dir, "dummy-ups-main"))
		return err == nil
	})
}

func (s *server) startServer() {
	s.t.Helper()
	s.start("upsd")
	eventually(s.t, "upsd answers", func() bool {
		_, err := ReadOnce(s.t.Context(), s.address, "main")
		return err == nil
	})
}

func (s *server) start(name string, args ...string) {
	s.t.Helper()
	log, err := os.OpenFile(filepath.Join(s.dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command("/lib/nut/"+name, append(args, "-u", "root", "-D")...)
	cmd.Env = append(os.Environ(), "NUT_CONFPATH="+s.dir, "NUT_STATEPATH="+s.dir, "NUT_ALTPIDPATH="+s.dir)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("starting %s (apt install nut-server): %v", name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running[name] = cmd
}

// kill ends a program as a crash does.
func (s *server) kill(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cmd := s.running[name]; cmd != nil {
		cmd.Process.Kill()
		cmd.Wait()
		delete(s.running, name)
	}
	if name == "dummy-ups" {
		os.Remove(filepath.Join(s.dir, "dummy-ups-main"))
	}
}

func (s *server) signal(name string, sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running[name].Process.Signal(sig)
}

func (s *server) driver(change func(*config)) *driver {
	s.t.Helper()
	c := config{Address: s.address, TLS: tlsOff, Poll: minPoll, User: "lab", PasswordFile: file(s.t, "password", "s\"p a\\ce\n")}
	change(&c)
	if err := c.complete(); err != nil {
		s.t.Fatal(err)
	}
	return newDriver(&net.Dialer{}, c, testOptions())
}

func asIs(*config) {}

// patience is how long a test waits for what takes seconds.
const patience = 90 * time.Second

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatalf("not in %v: %s", patience, what)
}

func TestDriverKeepsADriversPromisesWithUpsd(t *testing.T) {
	s := newServer(t, "main.dev", steady, "")
	drivertest.RunReal(t, func(t *testing.T) drivertest.Rig {
		return drivertest.Rig{Driver: s.driver(asIs), Unplug: func() { s.kill("upsd") }, Plug: s.startServer}
	})
}

func TestReadingsAreWhatUpscReads(t *testing.T) {
	s := newServer(t, "main.dev", steady, "")
	r := start(t, s.driver(asIs))
	eventually(t, "a reading", func() bool { return r.count() > 0 })
	out, err := exec.Command("upsc", "main@"+s.address).Output()
	if err != nil {
		t.Fatal(err)
	}
	upsc := values{}
	for l := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSuffix(l, "\n"), ": ")
		upsc[name] = value
	}
	if got, want := r.last().Variables(), upsc.ups().Variables(); fmt.Sprint(got) != fmt.Sprint(want) || len(got) < 10 {
		t.Errorf("read %v, and upsc %v", got, want)
	}
	if u := r.last(); upsc["battery.charge"] != "99" || *u.Charge != 99 || u.Maker != "CPS" || u.Runtime != nil || fmt.Sprint(u.Warnings) != "[battery.runtime cannot be -1 s]" {
		t.Errorf("read %v, warnings %q", u.Variables(), u.Warnings)
	}
	if got := r.last().Model; got != `BR "1200" \ ELCD` {
		t.Errorf("the model is %s", got)
	}
}

// discharge is an outage until the battery is low, and the return of mains.
const discharge = `ups.status: OL
battery.charge: 100
battery.runtime: 2400
input.voltage: 231.0
TIMER 2
ups.status: OB DISCHRG
input.voltage: 0.0
battery.charge: 71
battery.runtime: 1500
TIMER 2
ups.status: OB DISCHRG LB
battery.charge: 9
battery.runtime: 110
TIMER 2
ups.status: OL CHRG
input.voltage: 229.0
battery.charge: 12
battery.runtime: 180
TIMER 2
`

func TestDischargeIsFollowed(t *testing.T) {
	t.Parallel()
	s := newServer(t, "main.seq", discharge, "")
	r := start(t, s.driver(asIs))
	seen := func() []string {
		r.mu.Lock()
		defer r.mu.Unlock()
		var all []string
		for _, reading := range r.readings {
			if now := reading.Fact.(drivers.UPS).Status(); len(all) == 0 || all[len(all)-1] != now {
				all = append(all, now)
			}
		}
		return all
	}
	want := []string{"OL", "OB DISCHRG", "OB DISCHRG LB", "OL CHRG", "OL"}
	// A busy machine may miss a status that lasts for two seconds, in this cycle.
	eventually(t, fmt.Sprintf("%q in a row", want), func() bool {
		for got := seen(); len(got) >= len(want); got = got[1:] {
			if slices.Equal(got[:len(want)], want) {
				return true
			}
		}
		return false
	})
	// One change of the file reaches upsd as several: between them a reading
	// may have the new status and the old charge, but never another pair.
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, reading := range r.readings {
		if u := reading.Fact.(drivers.UPS); u.LowBattery != nil && *u.LowBattery && says(u) != "battery" {
			t.Errorf("low battery on %s: %s", says(u), u.Status())
		}
	}
}

func TestStaleDataIsContactLost(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, want  string
		cause, mend func(*server)
	}{
		{"a driver that hangs", "DATA-STALE",
			func(s *server) { s.signal("dummy-ups", syscall.SIGSTOP) }, func(s *server) { s.signal("dummy-ups", syscall.SIGCONT) }},
		// For a moment upsd may still answer, with an empty list.
		{"a driver that died", "DRIVER-NOT-CONNECTED|its driver has told nothing", func(s *server) { s.kill("dummy-ups") }, (*server).startDriver},
		{"a server that died", "the server closed the connection|no such device: connect: connection refused", func(s *server) { s.kill("upsd") }, (*server).startServer},
		{"a server that hangs", "no answer in 5s", func(s *server) { s.signal("upsd", syscall.SIGSTOP) }, func(s *server) { s.signal("upsd", syscall.SIGCONT) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, "main.dev", strings.Replace(steady, "OL CHRG", "OB DISCHRG", 1), "")
			d := s.driver(asIs)
			expected := func(err error) bool {
				return slices.ContainsFunc(strings.Split(tt.want, "|"), func(want string) bool { return strings.Contains(fmt.Sprint(err), want) })
			}
			r := start(t, d)
			eventually(t, "a reading on battery", func() bool { return says(r.last()) == "battery" })
			tt.cause(s)
			select {
			case <-r.ended:
			case <-time.After(patience):
				t.Fatalf("Run goes on, with %d readings, on %s", r.count(), says(r.last()))
			}
			if !expected(r.err) || says(r.last()) != "battery" {
				t.Errorf("Run = %v after a reading on %s, want %s", r.err, says(r.last()), tt.want)
			}
			if err := d.Run(t.Context(), func(drivers.Reading) { t.Error("it reported") }); !expected(err) {
				t.Errorf("Run = %v, want %s", err, tt.want)
			}
			tt.mend(s)
			eventually(t, "a reading on battery again", func() bool {
				u, err := ReadOnce(t.Context(), s.address, "main")
				return err == nil && says(u) == "battery"
			})
		})
	}
}

func TestUpsdCarriesOrdersOut(t *testing.T) {
	s := newServer(t, "main.dev", steady, "")
	r := start(t, s.driver(asIs))
	eventually(t, "a reading", func() bool { return r.count() > 0 })
	// dummy-ups lists load.off, and then does not do it: OK alone is no outcome.
	_, err := r.Do(t.Context(), drivers.Command{Name: drivers.LoadOff})
	if err == nil || !strings.Contains(err.Error(), `NUT's driver did not do it: it says "ERR `) {
		t.Errorf("Do = %v, want that the driver did not do it", err)
	}
	if _, err := r.Do(t.Context(), drivers.Command{Name: drivers.ShutdownReturn, Delay: time.Minute}); !errors.Is(err, drivers.ErrUnsupported) ||
		!strings.Contains(err.Error(), `NUT's driver dummy-ups offers ["load.off"]`) {
		t.Errorf("Do = %v, want %v", err, drivers.ErrUnsupported)
	}
	r.stop()
	if !errors.Is(r.err, context.Canceled) {
		t.Errorf("Run = %v: a command that fails does not lose the UPS", r.err)
	}
}

func TestDelayIsSetInUpsd(t *testing.T) {
	s := newServer(t, "main.dev", steady, "")
	c, err := connect(t.Context(), &net.Dialer{}, s.driver(asIs).config)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	o := &session{connection: c, name: "main", config: config{Address: s.address}, report: func(drivers.Reading) {}}
	if err := errors.Join(o.look(), o.track()); err != nil {
		t.Fatal(err)
	}
	if got, err := o.delay(t.Context(), 90*time.Second); err != nil || got != 90*time.Second || !*o.tracked {
		t.Errorf("delay = %v, %v, want 1m30s, and tracking", got, err)
	}
	if got := o.values[delayShutdown]; got != "90" {
		t.Errorf("the server has %q", got)
	}
}

func TestUpsdRefusesWhoMayNot(t *testing.T) {
	s := newServer(t, "main.dev", steady, "")
	for _, tt := range []struct{ name, user, password string }{
		{"a wrong password", "lab", "wrong"},
		{"an unknown user", "nobody", "guest"},
		{"a user without rights", "guest", "guest"},
	} {
		as := func(c *config) { c.User, c.PasswordFile = tt.user, file(t, "password", tt.password) }
		r := start(t, s.driver(as))
		eventually(t, "a reading", func() bool { return r.count() > 0 }) // reading needs no rights
		_, err := r.Do(t.Context(), drivers.Command{Name: drivers.LoadOff})
		if !errors.Is(err, drivers.ErrPermission) || !strings.Contains(err.Error(), "check user and password_file") {
			t.Errorf("%s: Do = %v, want %v", tt.name, err, drivers.ErrPermission)
		}
		r.stop()
		err = s.driver(func(c *config) { as(c); c.Login = true }).Run(t.Context(), func(drivers.Reading) {})
		if !errors.Is(err, drivers.ErrPermission) {
			t.Errorf("%s: Run = %v, want %v", tt.name, err, drivers.ErrPermission)
		}
	}
}

func TestLoginIsCountedByUpsd(t *testing.T) {
	s := newServer(t, "main.dev", steady, "")
	logins := func() string {
		c, err := connect(t.Context(), &net.Dialer{}, config{Address: s.address, TLS: tlsOff})
		if err != nil {
			t.Fatal(err)
		}
		defer c.close()
		got, err := c.ask("GET", "NUMLOGINS", "main")
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	quiet := start(t, s.driver(asIs))
	eventually(t, "a reading", func() bool { return quiet.count() > 0 })
	if got := logins(); got != "NUMLOGINS main 0" {
		t.Errorf("%q without login", got)
	}
	r := start(t, s.driver(func(c *config) { c.Login = true }))
	eventually(t, "a login", func() bool { return logins() == "NUMLOGINS main 1" })
	r.stop()
	eventually(t, "no login", func() bool { return logins() == "NUMLOGINS main 0" })
}

// database makes a database of NSS's with a self-signed certificate for localhost,
// and returns that as PEM and its SHA-256.
func database(t *testing.T, dir string) (ca, pin string) {
	t.Helper()
	for name, text := range map[string]string{"pw": "secret", "noise": strings.Repeat("not a secret, only a test ", 4)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	certutil := func(args ...string) []byte {
		t.Helper()
		cmd := exec.Command("certutil", append(args, "-d", dir, "-f", filepath.Join(dir, "pw"))...)
		var errs strings.Builder
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("certutil (apt install libnss3-tools): %v: %s", err, errs.String())
		}
		return out
	}
	certutil("-N")
	certutil("-S", "-n", "nut", "-s", "CN=nas", "-x", "-t", "CT,,", "-z", filepath.Join(dir, "noise"), "-v", "1", "-8", "localhost", "-k", "rsa", "-g", "2048")
	return string(certutil("-L", "-n", "nut", "-a")), sum(certutil("-L", "-n", "nut", "-r"))
}

// TestSTARTTLSWithUpsd: Debian's upsd is built with NSS, so its certificate comes
// from a database that NSS's certutil makes.
func TestSTARTTLSWithUpsd(t *testing.T) {
	t.Parallel()
	db := t.TempDir()
	certificate, pin := database(t, db)
	ca := file(t, "ca.pem", certificate)
	certified := newServer(t, "main.dev", steady, fmt.Sprintf("CERTPATH %s\nCERTIDENT nut secret\n", db))
	_, port, _ := net.SplitHostPort(certified.address)
	for _, tt := range []struct {
		name   string
		change func(*config)
		want   string
	}{
		{"pinned", func(c *config) { c.TLS, c.Pin = tlsRequire, pin }, ""},
		{"any", func(c *config) { c.TLS = tlsStart }, ""},
		{"signed", func(c *config) { c.TLS, c.CAFile, c.Address = tlsRequire, ca, "localhost:"+port }, ""},
		{"signed, of another name", func(c *config) { c.TLS, c.CAFile = tlsRequire, ca }, "cannot validate certificate for 127.0.0.1"},
		{"pinned to another", func(c *config) { c.TLS, c.Pin = tlsRequire, strings.Repeat("ab", 32) }, "the server's certificate is another one than pin says: its SHA-256 is " + pin},
		{"nothing to trust", func(c *config) { c.TLS = tlsRequire }, "or, if this is the server's certificate, pin: " + pin},
	} {
		d := certified.driver(func(c *config) { tt.change(c); c.Login = true })
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		n := 0
		err := d.Run(ctx, func(drivers.Reading) {
			if n++; n == 3 {
				cancel()
			}
		})
		cancel()
		if tt.want == "" && (n < 3 || !errors.Is(err, context.Canceled)) || tt.want != "" && (n > 0 || !strings.Contains(fmt.Sprint(err), tt.want)) {
			t.Errorf("%s: %d readings, Run = %v, want %q", tt.name, n, err, tt.want)
		}
		if l, err := connect(t.Context(), d.dialer, d.config); err == nil {
			t.Logf("%s: %s", tt.name, l.secure)
			l.close()
		}
	}
	bare := newServer(t, "main.dev", steady, "")
	for mode, want := range map[string]string{tlsRequire: "start TLS: the server is not set up for it (FEATURE-NOT-CONFIGURED)", tlsStart: ""} {
		ctx, cancel := context.WithCancel(t.Context())
		err := bare.driver(func(c *config) { c.TLS = mode }).Run(ctx, func(drivers.Reading) { cancel() })
		cancel()
		if want != "" && !strings.Contains(fmt.Sprint(err), want) || want == "" && !errors.Is(err, context.Canceled) {
			t.Errorf("%s without a certificate: Run = %v, want %q", mode, err, want)
		}
	}
}

func TestForcedShutdownIsALowBatteryAndIsTold(t *testing.T) {
	s := newServer(t, "main.dev", steady, "")
	r := start(t, s.driver(asIs))
	eventually(t, "a reading", func() bool { return r.count() > 0 && !*r.last().LowBattery })
	c, err := connect(t.Context(), &net.Dialer{}, s.driver(asIs).config)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if _, err := c.order("FSD", "main"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a low battery", func() bool { return *r.last().LowBattery })
	if u := r.last(); says(u) != "mains" || !strings.Contains(strings.Join(u.Warnings, "; "), "NUT is shutting its machines down (FSD)") {
		t.Errorf("on %s, warnings %q", says(u), u.Warnings)
	}
}
