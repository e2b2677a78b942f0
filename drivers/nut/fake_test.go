package nut

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lastwatt/drivers"
)

// A fakeUPSD is a server with one UPS, main, that speaks as NUT 2.8 does. It is a
// dialer.
type fakeUPSD struct {
	mu       sync.Mutex
	vars     map[string]string
	rw       []string
	enum     map[string][]string
	limits   map[string][2]int
	cmds     []string
	names    []string // of UPSes; main is the one that answers
	refusal  string   // what it says instead of data, such as DATA-STALE
	password string   // of lab; the user may do all
	denied   bool     // the user may do nothing
	tracking bool
	outcome  string        // what GET TRACKING says once an order is done
	lag      time.Duration // until an order is done
	down     bool
	secure   *tls.Config // nil: none
	refusTLS string      // instead of OK STARTTLS
	// answer, if it is not nil and says true, has answered a request itself.
	answer   func(request string, conn net.Conn) bool
	counting time.Time // when ups.timer.shutdown began to count
	asked    []string
	conns    []net.Conn
	serving  sync.WaitGroup
}

func newFake(t *testing.T) *fakeUPSD {
	f := &fakeUPSD{
		vars: map[string]string{
			"ups.status": "OL CHRG", "battery.charge": "100", "battery.runtime": "2400", "input.voltage": "231.0", "input.voltage.nominal": "230",
			"ups.delay.shutdown": "20", "ups.timer.shutdown": "-1", "ups.timer.start": "-1", "ups.load": "9", "driver.name": "usbhid-ups",
		},
		rw:    []string{"ups.delay.shutdown"},
		cmds:  []string{"beeper.mute", "beeper.enable", "shutdown.return", "shutdown.stayoff", "shutdown.stop", "load.off", "load.off.delay", "load.on.delay", "shutdown.reboot"},
		names: []string{"main"}, password: "secret", tracking: true, outcome: "SUCCESS",
	}
	t.Cleanup(f.serving.Wait) // clients are gone by then
	return f
}

func (f *fakeUPSD) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if f.down {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connect: connection refused")}
	}
	here, there := net.Pipe()
	f.conns = append(f.conns, there)
	f.serving.Go(func() { f.serve(there) })
	return here, nil
}

func (f *fakeUPSD) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		request, err := in.ReadString('\n')
		if err != nil {
			return
		}
		request = strings.TrimSuffix(request, "\n")
		f.mu.Lock()
		f.asked = append(f.asked, request)
		hook := f.answer
		f.mu.Unlock()
		if hook != nil && hook(request, conn) {
			continue
		}
		ws, err := words(request)
		if err != nil || len(ws) == 0 {
			fmt.Fprintln(conn, "ERR UNKNOWN-COMMAND")
			continue
		}
		f.mu.Lock()
		answer := f.reply(ws)
		secure := f.secure
		f.mu.Unlock()
		io.WriteString(conn, answer)
		if answer == "OK STARTTLS\n" {
			conn = tls.Server(conn, secure)
			in = bufio.NewReader(conn)
		}
	}
}

func (f *fakeUPSD) reply(ws []string) string {
	switch ws[0] {
	case "STARTTLS":
		if f.refusTLS != "" {
			return "ERR " + f.refusTLS + "\n"
		}
		if f.secure == nil {
			return "ERR FEATURE-NOT-CONFIGURED\n"
		}
		return "OK STARTTLS\n"
	case "USERNAME", "PASSWORD":
		if ws[0] == "PASSWORD" {
			f.denied = f.denied || ws[1] != f.password
		}
		return "OK\n"
	case "LOGIN", "INSTCMD", "SET":
		if ws[1] != "TRACKING" && f.denied {
			return "ERR ACCESS-DENIED\n"
		}
	}
	switch {
	case ws[0] == "LIST":
		return f.list(ws[1:])
	case ws[0] == "SET" && ws[1] == "TRACKING":
		if !f.tracking {
			return "ERR INVALID-ARGUMENT\n"
		}
		return "OK\n"
	case ws[0] == "GET" && ws[1] == "TRACKING":
		if time.Since(f.counting) < f.lag {
			return "PENDING\n"
		}
		return f.outcome + "\n"
	case ws[0] == "LOGIN":
		return "OK\n"
	case ws[0] == "SET":
		return f.set(ws[3], ws[4])
	case ws[0] == "INSTCMD":
		return f.instruct(ws[2:])
	}
	return "ERR UNKNOWN-COMMAND\n"
}

// done is how an order is answered.
func (f *fakeUPSD) done() string {
	if f.tracking {
		return "OK TRACKING 1bd31808-cb49-4aec-9d75-d056e6f018d2\n"
	}
	return "OK\n"
}

func (f *fakeUPSD) list(query []string) string {
	if query[0] != "UPS" {
		switch {
		case !slices.Contains(f.names, query[1]):
			return "ERR UNKNOWN-UPS\n"
		case f.refusal != "":
			return "ERR " + f.refusal + "\n"
		}
	}
	var b strings.Builder
	head := strings.Join(query, " ")
	fmt.Fprintf(&b, "BEGIN LIST %s\n", head)
	switch query[0] {
	case "UPS":
		for _, n := range f.names {
			fmt.Fprintf(&b, "UPS %s \"The rack's UPS\"\n", n)
		}
	case "VAR":
		for _, name := range slices.Sorted(maps.Keys(f.vars)) {
			value := f.vars[name]
			if left, err := strconv.Atoi(value); name == "ups.timer.shutdown" && err == nil && left > 0 {
				value = strconv.Itoa(left - int(time.Since(f.counting).Seconds()))
			}
			fmt.Fprintf(&b, "VAR %s %s \"%s\"\n", query[1], name, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value))
		}
	case "CMD":
		for _, c := range f.cmds {
			fmt.Fprintf(&b, "CMD %s %s\n", query[1], c)
		}
	case "ENUM":
		for _, v := range f.enum[query[2]] {
			fmt.Fprintf(&b, "ENUM %s \"%s\"\n", strings.Join(query[1:], " "), v)
		}
	case "RANGE":
		if r, ok := f.limits[query[2]]; ok {
			fmt.Fprintf(&b, "RANGE %s \"%d\" \"%d\"\n", strings.Join(query[1:], " "), r[0], r[1])
		}
	}
	fmt.Fprintf(&b, "END LIST %s\n", head)
	return b.String()
}

func (f *fakeUPSD) set(name, value string) string {
	n, _ := strconv.Atoi(value)
	r, limited := f.limits[name]
	switch {
	case f.vars[name] == "":
		return "ERR VAR-NOT-SUPPORTED\n"
	case !slices.Contains(f.rw, name):
		return "ERR READONLY\n"
	case f.enum[name] != nil && !slices.Contains(f.enum[name], value), limited && (n < r[0] || n > r[1]):
		return "ERR INVALID-VALUE\n"
	}
	f.vars[name] = value
	return f.done()
}

func (f *fakeUPSD) instruct(order []string) string {
	if !slices.Contains(f.cmds, order[0]) {
		return "ERR CMD-NOT-SUPPORTED\n"
	}
	f.counting = time.Now()
	if f.outcome != "SUCCESS" {
		return f.done()
	}
	timer := func(name, value string) {
		if _, ok := f.vars[name]; ok {
			f.vars[name] = value
		}
	}
	switch order[0] {
	case "shutdown.return", "shutdown.stayoff":
		timer("ups.timer.shutdown", f.vars["ups.delay.shutdown"])
	case "load.off.delay":
		timer("ups.timer.shutdown", order[1])
	case "load.on.delay":
		timer("ups.timer.start", order[1])
	case "shutdown.stop":
		timer("ups.timer.shutdown", "-1")
	}
	return f.done()
}

func (f *fakeUPSD) with(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// requests are those that were asked, of this kind.
func (f *fakeUPSD) requests(kind string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var some []string
	for _, r := range f.asked {
		if strings.HasPrefix(r, kind) {
			some = append(some, r)
		}
	}
	return some
}

// hangUp ends every connection, and refuses others.
func (f *fakeUPSD) hangUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = true
	for _, c := range f.conns {
		c.Close()
	}
	f.conns = nil
}

func testConfig(t *testing.T) config {
	t.Helper()
	return config{Address: "nas:3493", UPS: "main", TLS: tlsOff, Poll: defaultPoll, User: "lab", PasswordFile: file(t, "password", "secret\n")}
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func testOptions() drivers.Options {
	return drivers.Options{Name: "main", Log: slog.New(slog.DiscardHandler)}
}

// A run is a driver that runs.
type run struct {
	*driver
	mu       sync.Mutex
	readings []drivers.Reading
	err      error
	ended    chan struct{}
	cancel   context.CancelFunc
}

func start(t *testing.T, d *driver) *run {
	ctx, cancel := context.WithCancel(t.Context())
	r := &run{driver: d, ended: make(chan struct{}), cancel: cancel}
	go func() {
		defer close(r.ended)
		r.err = d.Run(ctx, func(reading drivers.Reading) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.readings = append(r.readings, reading)
		})
	}()
	t.Cleanup(r.stop)
	return r
}

func (r *run) stop() {
	r.cancel()
	<-r.ended
}

func (r *run) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.readings)
}

func (r *run) last() drivers.UPS {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.readings) == 0 {
		return drivers.UPS{}
	}
	return r.readings[len(r.readings)-1].Fact.(drivers.UPS)
}

// says is what a reading says of mains.
func says(u drivers.UPS) string {
	switch {
	case u.OnBattery == nil:
		return "unknown"
	case *u.OnBattery:
		return "battery"
	}
	return "mains"
}
