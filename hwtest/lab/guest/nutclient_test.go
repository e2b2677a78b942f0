//go:build guest

package guest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lastwatt/drivers"
	"lastwatt/drivers/nut"
	"lastwatt/sim"

	"go.yaml.in/yaml/v4"
)

// A client is our driver of NUT servers, kept running as the controller does.
type client struct {
	drivers.Driver
	mu   sync.Mutex
	all  []drivers.UPS
	errs []string // each once, in a row
}

func (p *pair) client() *client {
	p.t.Helper()
	password := filepath.Join(p.dir, "password")
	if err := os.WriteFile(password, []byte("lab\n"), 0o600); err != nil {
		p.t.Fatal(err)
	}
	text := "address: 127.0.0.1\nuser: lastwatt\npassword_file: " + password + "\n"
	d, err := nut.Kind().New(func(into any) error { return yaml.Load([]byte(text), into, yaml.WithKnownFields()) },
		drivers.Options{Name: "nut", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		p.t.Fatal(err)
	}
	c := &client{Driver: d}
	ctx, cancel := context.WithCancel(p.t.Context())
	p.t.Cleanup(func() { cancel(); p.work.Wait() })
	p.work.Go(func() {
		for ctx.Err() == nil {
			err := d.Run(ctx, func(r drivers.Reading) {
				c.mu.Lock()
				defer c.mu.Unlock()
				c.all = append(c.all, r.Fact.(drivers.UPS))
			})
			c.mu.Lock()
			if n := len(c.errs); n == 0 || c.errs[n-1] != fmt.Sprint(err) {
				c.errs = append(c.errs, fmt.Sprint(err))
			}
			c.mu.Unlock()
			time.Sleep(100 * time.Millisecond)
		}
	})
	return c
}

// mark forgets what was read and what went wrong.
func (c *client) mark() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all, c.errs = nil, nil
}

func (c *client) seen() ([]drivers.UPS, []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.all), slices.Clone(c.errs)
}

// value is the last one that was read.
func (c *client) value(name string) any {
	all, _ := c.seen()
	if len(all) == 0 {
		return nil
	}
	for _, v := range all[len(all)-1].Variables() {
		if v.Name == name {
			return v.Value
		}
	}
	return nil
}

// agree waits until our driver of NUT servers, our driver for USB, and the battery
// say the same.
func (p *pair) agree(c *client, when string) {
	p.t.Helper()
	differ := []string{"never compared"}
	for end := time.Now().Add(40 * time.Second); len(differ) > 0 && time.Now().Before(end); time.Sleep(300 * time.Millisecond) {
		differ = nil
		truth := map[string]any{}
		for _, v := range p.model.Fact().Variables() {
			truth[v.Name] = v.Value
		}
		for _, name := range compared() {
			want, usb, through := truth[name], p.our(name), c.value(name)
			if name == "ups.status" {
				want, usb, through = tokens(fmt.Sprint(want)), tokens(fmt.Sprint(usb)), tokens(fmt.Sprint(through))
			}
			if w, ok := want.(float64); ok && name == "battery.runtime" {
				want = min(w, 28110)
			}
			if usb == nil || through == nil || !same(usb, fmt.Sprint(want)) || !same(want, fmt.Sprint(through)) {
				differ = append(differ, fmt.Sprintf("%s: the battery's %v, over USB %v, through NUT %v", name, want, usb, through))
			}
		}
	}
	if len(differ) > 0 {
		p.t.Errorf("%s: %s", when, strings.Join(differ, "; "))
	}
	p.t.Logf("%s: %v, charge %v %%, %v s, %v V", when, c.value("ups.status"), c.value("battery.charge"), c.value("battery.runtime"), c.value("battery.voltage"))
}

// until waits for something that our driver of NUT servers is to see.
func (c *client) until(t *testing.T, what string, done func([]drivers.UPS, []string) bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if done(c.seen()) {
			return
		}
	}
	all, errs := c.seen()
	t.Fatalf("not in 60 s: %s; %d readings, errors %q", what, len(all), errs)
}

func last(is func(drivers.UPS) bool) func([]drivers.UPS, []string) bool {
	return func(all []drivers.UPS, _ []string) bool { return len(all) > 0 && is(all[len(all)-1]) }
}

// TestThroughNUT reads the virtual UPS through Debian's usbhid-ups and upsd: on
// mains, through an outage, with orders, and with data that goes stale in it.
func TestThroughNUT(t *testing.T) {
	p := newPair(t, "hidraw", "  pollfreq = 3\n  ondelay = 120\n", sim.ReferenceBattery())
	c := p.client()
	p.agree(c, "on mains")

	c.mark()
	lost := time.Now()
	p.model.SetMains(false)
	c.until(t, "on battery", last(onBattery))
	t.Logf("on battery through NUT after %v", time.Since(lost).Round(10*time.Millisecond))
	p.model.Advance(30 * time.Minute)
	p.agree(c, "on battery")
	orders(t, p, c)

	c.goesStale(t, "its driver died", func() { p.kill("usbhid-ups") }, "(DRIVER-NOT-CONNECTED)", "its driver has told nothing")
	c.mark()
	p.startNUTsDriver()
	c.until(t, "on battery again", last(onBattery))
	all, _ := c.seen()
	if i := slices.IndexFunc(all, onMains); i >= 0 {
		t.Errorf("back on mains in the outage: %s", all[i].Status())
	}
	p.agree(c, "on battery again")
	p.model.SetMains(true)
	c.until(t, "on mains", last(onMains))
	p.agree(c, "on mains again")
	p.model.SetMains(false)
	c.until(t, "on battery once more", last(onBattery))
	c.goesStale(t, "its cable is out", func() { p.unplug["NUTS1"]() }, "(DATA-STALE)")
}

// goesStale sees contact lost in an outage, for one of these reasons, and nothing
// reported that is not on battery.
func (c *client) goesStale(t *testing.T, name string, cause func(), want ...string) {
	t.Helper()
	c.mark()
	began := time.Now()
	cause()
	c.until(t, "contact is lost when "+name, func(_ []drivers.UPS, errs []string) bool {
		return slices.ContainsFunc(errs, func(err string) bool {
			return slices.ContainsFunc(want, func(w string) bool { return strings.Contains(err, w) })
		})
	})
	all, errs := c.seen()
	t.Logf("%s: contact lost after %v: %q", name, time.Since(began).Round(10*time.Millisecond), errs)
	for _, u := range all {
		if !onBattery(u) {
			t.Errorf("%s: a reading with %s in the outage", name, u.Status())
		}
	}
	time.Sleep(3 * time.Second)
	if more, errs := c.seen(); len(more) > len(all) || len(errs) > 3 {
		t.Errorf("%s: %d readings of stale data, errors %q", name, len(more)-len(all), errs)
	}
}

// orders gives some to usbhid-ups, through upsd, and looks at what the UPS did.
func orders(t *testing.T, p *pair, c *client) {
	t.Helper()
	do := func(name drivers.CommandName, delay time.Duration) drivers.Answer {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
		defer cancel()
		a, err := c.Driver.(drivers.Commander).Do(ctx, drivers.Command{Name: name, Delay: delay})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		return a
	}
	do(drivers.BeeperMute, 0)
	if got := p.model.Fact().Beeper; got != "muted" {
		t.Errorf("the beeper is %s", got)
	}
	// The device counts whole minutes, and drops the rest.
	if a := do(drivers.ShutdownReturn, 90*time.Second); a.Delay < 90*time.Second || a.Delay > 3*time.Minute {
		t.Errorf("the cut comes after %v, want 1m30s to 3m", a.Delay)
	} else if left := p.model.ShutdownDelay(); left <= a.Delay-time.Minute || left > a.Delay {
		t.Errorf("the UPS counts %v, and the answer is %v", left, a.Delay)
	} else {
		t.Logf("asked for 1m30s, answered %v, the UPS counts %v, its start delay is %v", a.Delay, left, p.model.StartDelay())
	}
	if start := p.model.StartDelay(); start != 0 {
		t.Errorf("the outlets come on after %v, with or without mains", start)
	}
	do(drivers.ShutdownStop, 0)
	if left := p.model.ShutdownDelay(); left >= 0 {
		t.Errorf("stopped, and the UPS counts %v", left)
	}
}
