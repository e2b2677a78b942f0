// Package usbhid is the driver of UPSes that speak the USB HID Power Device
// class, over the kernel's hidraw or over libusb.
package usbhid

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"lastwatt/drivers"
)

const (
	defaultPoll = 2 * time.Second
	// CyberPower's smaller models leave the bus after 20 s of silence, and
	// also if they are asked every second or faster for long.
	minPoll = 500 * time.Millisecond
	maxPoll = 15 * time.Second
	// walkEvery is how often every report is read, not only the status.
	walkEvery = 30 * time.Second
)

// Kind describes the driver. The drivers of one Kind share one libusb context.
func Kind() drivers.Kind {
	libusb := newLibusb()
	return drivers.Kind{Name: "usbhid", UPS: true, New: func(decode func(any) error, o drivers.Options) (drivers.Driver, error) {
		c := config{Transport: "auto", Poll: defaultPoll}
		if err := decode(&c); err != nil {
			return nil, err
		}
		m, err := c.match()
		if err != nil {
			return nil, err
		}
		b, err := busOf(c.Transport, libusb)
		if err != nil {
			return nil, err
		}
		d := newDriver(b, m, c, o)
		if c.Profile != "" {
			d.profile, err = LoadProfile(c.Profile)
		}
		return d, err
	}}
}

// config is the driver's part of the configuration.
type config struct {
	// Transport is auto, hidraw or gousb.
	Transport string `yaml:"transport"`
	// Vendor and Product are USB ids, four hexadecimal digits.
	Vendor  string        `yaml:"vendor"`
	Product string        `yaml:"product"`
	Serial  string        `yaml:"serial"`
	Path    string        `yaml:"path"`
	Poll    time.Duration `yaml:"poll"`
	// Scale corrects quantities that the device gives in a wrong scale, by
	// NUT's names: what the device says is multiplied.
	Scale map[string]float64 `yaml:"scale"`
	// Profile is the file that lastwatt ups learn wrote.
	Profile string `yaml:"profile"`
}

func (c config) match() (Match, error) {
	m := Match{Serial: c.Serial, Path: c.Path}
	var err error
	if m.Vendor, err = usbID("vendor", c.Vendor); err != nil {
		return m, err
	}
	if m.Product, err = usbID("product", c.Product); err != nil {
		return m, err
	}
	if c.Poll < minPoll || c.Poll > maxPoll {
		return m, fmt.Errorf("poll: want %v to %v (got %v)", minPoll, maxPoll, c.Poll)
	}
	for name, scale := range c.Scale {
		if known := names(); name == "" || !slices.Contains(known[:], name) {
			return m, fmt.Errorf("scale: %q is no variable that has a scale; lastwatt ups read shows their names", name)
		}
		if scale <= 0 || scale > 1e6 {
			return m, fmt.Errorf("scale: %s: want a factor above 0, such as 0.1 (got %g)", name, scale)
		}
	}
	return m, nil
}

func usbID(key, s string) (uint16, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(strings.ToLower(s), "0x"), 16, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%s: want four hexadecimal digits, such as \"0764\" (got %q)", key, s)
	}
	return uint16(n), nil
}

// ParseMatch reads how a person names a device: by its place on the bus (1-1.2),
// its USB ids (0764:0501) or its serial number. Empty is any.
func ParseMatch(s string) (Match, error) {
	vendor, product, ids := strings.Cut(s, ":")
	switch {
	case ids:
		var m Match
		var err error
		if m.Vendor, err = usbID("device", vendor); err != nil {
			return m, err
		}
		m.Product, err = usbID("device", product)
		return m, err
	case isPath(s):
		return Match{Path: s}, nil
	}
	return Match{Serial: s}, nil
}

// isPath is whether s is a place on the bus as sysfs writes it.
func isPath(s string) bool {
	bus, ports, ok := strings.Cut(s, "-")
	digits := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	return ok && digits(bus) && !slices.ContainsFunc(strings.Split(ports, "."), func(p string) bool { return !digits(p) })
}

// A Match says which device is meant. The zero value is the only power device
// on the bus.
type Match struct {
	Vendor, Product uint16 // 0 is any
	Serial          string // empty is any
	Path            string // of the bus, such as 1-1.2; empty is any
}

func (m Match) fits(i Info) bool {
	return (m.Vendor == 0 || m.Vendor == i.Vendor) && (m.Product == 0 || m.Product == i.Product) &&
		(m.Serial == "" || m.Serial == i.Serial) && (m.Path == "" || m.Path == i.Path)
}

func (m Match) String() string {
	var parts []string
	if m.Vendor != 0 {
		parts = append(parts, fmt.Sprintf("vendor %04x", m.Vendor))
	}
	if m.Product != 0 {
		parts = append(parts, fmt.Sprintf("product %04x", m.Product))
	}
	if m.Serial != "" {
		parts = append(parts, fmt.Sprintf("serial %q", m.Serial))
	}
	if m.Path != "" {
		parts = append(parts, fmt.Sprintf("path %q", m.Path))
	}
	if parts == nil {
		return "any"
	}
	return strings.Join(parts, ", ")
}

// driver implements [drivers.Commander].
type driver struct {
	finder  finder // of whoever calls Run
	poll    time.Duration
	profile Profile
	options drivers.Options

	heard  atomic.Int64 // changes of mains that the device told by itself
	orders drivers.Orders
}

// New makes a driver without a configuration, for someone at a terminal.
// transport is auto, hidraw or gousb.
func New(transport string, m Match, o drivers.Options) (drivers.Commander, error) {
	b, err := busOf(transport, newLibusb())
	if err != nil {
		return nil, err
	}
	return newDriver(b, m, config{Poll: defaultPoll}, o), nil
}

func newDriver(b bus, m Match, c config, o drivers.Options) *driver {
	return &driver{finder: finder{bus: b, match: m, scales: c.Scale, log: o.Log}, poll: c.Poll, options: o}
}

// Run implements [drivers.Driver]. It takes up to the transport's longest wait,
// 5 s for a device that hangs, to return after ctx is done. Called again, it
// takes the same device as before.
func (d *driver) Run(ctx context.Context, report func(drivers.Reading)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s, err := d.finder.open(ctx)
	if err != nil {
		return err
	}
	s.log, s.report, s.poll, s.profile, s.heard = d.options.Log, report, d.poll, d.profile, &d.heard
	return s.run(ctx, &d.orders)
}

// events counts the changes of mains that the device told by itself.
func (d *driver) events() int { return int(d.heard.Load()) }

// Do implements [drivers.Commander].
func (d *driver) Do(ctx context.Context, c drivers.Command) (drivers.Answer, error) {
	return d.orders.Do(ctx, c)
}
