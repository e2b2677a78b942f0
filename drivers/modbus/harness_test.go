package modbus

import (
	"context"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"lastwatt/drivers"
	"lastwatt/drivers/modbus/modbustest"
	"lastwatt/drivers/modbus/wire"
)

// A rig is a device in memory at the other end of a line.
type rig struct {
	t      *testing.T
	device *modbustest.Device
	peer   *modbustest.Peer
	serial *modbustest.Serial
	net    *modbustest.Network
	lines  *wire.Lines
	ended  chan struct{} // closed when the serial line's device has ended
}

// close ends the device.
func (r *rig) close() {
	if r.net != nil {
		r.net.Close()
		return
	}
	r.serial.Close()
	<-r.ended
}

// inSerial and inTCP run a test in fake time.
func inSerial(t *testing.T, test func(t *testing.T, r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false)
		test(t, r)
		r.close()
	})
}

func inTCP(t *testing.T, test func(t *testing.T, r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, true)
		test(t, r)
		r.close()
	})
}

func newRig(t *testing.T, tcp bool) *rig {
	r := &rig{t: t, device: &modbustest.Device{}}
	r.peer = &modbustest.Peer{Device: r.device, TCP: tcp, Latency: 20 * time.Millisecond, Late: 1500 * time.Millisecond}
	if tcp {
		r.net = modbustest.NewNetwork(func(c io.ReadWriteCloser) { r.peer.Serve(c) })
		r.lines = wire.NewLines(opener(r.net.Open))
		return r
	}
	r.serial = modbustest.NewSerial()
	r.ended = make(chan struct{})
	go func() {
		r.peer.Serve(r.serial)
		close(r.ended)
	}()
	r.lines = wire.NewLines(opener(r.serial.Open))
	return r
}

// opener opens a line in memory.
func opener(open func() (modbustest.Conn, error)) wire.Opener {
	return func(context.Context, wire.Settings) (wire.Conn, error) { return open() }
}

// config is of a device on the rig's line.
func (r *rig) config(which string) Config {
	c := Defaults()
	c.Map, c.Address = which, "/nowhere/ttyS9"
	if r.net != nil {
		c.Address = "tcp://device"
	}
	return c
}

func (r *rig) driver(c Config) drivers.Driver {
	r.t.Helper()
	d, err := c.driver(r.lines, drivers.Options{Name: "it", Log: slog.New(slog.DiscardHandler), Now: time.Now, After: time.After})
	if err != nil {
		r.t.Fatal(err)
	}
	return d
}

// one runs a driver until its first reading.
func (r *rig) one(d drivers.Driver) (drivers.Fact, error) {
	ctx, stop := context.WithTimeout(r.t.Context(), time.Minute)
	defer stop()
	var fact drivers.Fact
	err := d.Run(ctx, func(reading drivers.Reading) {
		if fact == nil {
			fact = reading.Fact
		}
		stop()
	})
	return fact, err
}

// fact is the first reading's, of a device that works.
func fact[T drivers.Fact](r *rig, which string) T {
	r.t.Helper()
	got, err := r.one(r.driver(r.config(which)))
	f, ok := got.(T)
	if !ok {
		r.t.Fatalf("got %T, %v", got, err)
	}
	return f
}

// floats are registers of float32 values, the higher word first.
func floats(values ...float32) []uint16 {
	var words []uint16
	for _, v := range values {
		bits := math.Float32bits(v)
		words = append(words, uint16(bits>>16), uint16(bits))
	}
	return words
}

// words are the registers of a text.
func words(text string, n int) []uint16 {
	all := make([]uint16, n)
	for i := range 2 * n {
		c := byte(' ')
		if i < len(text) {
			c = text[i]
		}
		all[i/2] = all[i/2]<<8 | uint16(c)
	}
	return all
}

func writeMap(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// pzem sets what a PZEM-016 with 230.1 V, 1.234 A, 283.4 W says.
func pzem(d *modbustest.Device, unit int) {
	d.Set(unit, modbustest.Input, 0, 2301, 1234, 0, 2834, 0, 1000, 1, 500, 99, 0)
}

// apc sets the live capture of nut issue 139: an APC on mains at 29.4 %.
func apc(d *modbustest.Device) {
	for a := range 27 {
		d.Set(1, modbustest.Holding, a, 0)
	}
	d.Set(1, modbustest.Holding, 1, 1<<1)
	d.Set(1, modbustest.Holding, 128,
		0x0000, 0x150F, 0xC800, 0x06C3, 0xFFFF, 0x1904, 0x0000, 0x0F77, 0x1D67, 0xFFFF, 0x1DA9, 0xFFFF, 0x001C, 0xFFFF, 0x3C58, 0xFFFF, 0x1901,
		0x0072, 0x44C5, 0xFFFF, 0xFFFF, 0xFFFF, 0x0001, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF)
	d.Set(1, modbustest.Holding, 516, words("UPS 09.3", 8)...)
	d.Set(1, modbustest.Holding, 532, words("Smart-UPS 1500", 16)...)
	d.Set(1, modbustest.Holding, 564, words("AS1234567890", 8)...)
	d.Set(1, modbustest.Holding, 588, 1500, 1000)
	d.Set(1, modbustest.Holding, 2048, words("12345678", 4)...)
}

// cyberpower sets what an RMCARD on mains says.
func cyberpower(d *modbustest.Device) {
	for a := range 0x23 {
		d.Set(1, modbustest.Holding, 0x2000+a, 0)
	}
	for a := range 0x28 {
		d.Set(1, modbustest.Holding, 0x3000+a, 0)
	}
	for a := range 0x13 {
		d.Set(1, modbustest.Holding, 0x3082+a, 0)
	}
	d.Set(1, modbustest.Holding, 0x2014, 1)
	d.Set(1, modbustest.Holding, 0x3000, 2305, 499)
	d.Set(1, modbustest.Holding, 0x3020, 2304)
	d.Set(1, modbustest.Holding, 0x3027, 12)
	d.Set(1, modbustest.Holding, 0x3082, 100, 605, 0)
	d.Set(1, modbustest.Holding, 0x3093, 35, 300)
}

// relays sets what a board of 8 relays says.
func relays(d *modbustest.Device, unit int) {
	d.Set(unit, modbustest.Coils, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	d.Set(unit, modbustest.Holding, 0x8000, 200)
}
