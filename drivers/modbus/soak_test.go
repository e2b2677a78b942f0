package modbus

import (
	"context"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"lastwatt/drivers"
	"lastwatt/drivers/modbus/modbustest"
)

// soakMap reads single registers, one request each: all answers are equally long,
// so that nothing but the guard tells a late one.
const soakMap = `device: meter
method: measured AC
unit: 1
identity:
  - {function: input, address: 90, type: u16, equals: "4711"}
fields:
  volts: {function: input, address: 0, type: u16}
  amps: {function: input, address: 10, type: u16}
  watts: {function: input, address: 20, type: u16}
  frequency: {function: input, address: 30, type: u16}
  energy_wh: {function: input, address: 40, type: u16}
guard: [{function: input, address: 90, count: 1}, {function: input, address: 90, count: 2}]
`

// truth is what a register of the soak's devices holds: each another value.
func truth(unit, table, address int) uint16 {
	return uint16(unit*10000 + table*1000 + address)
}

// soaked gives a device the registers of the soak.
func soaked(d *modbustest.Device, unit int) {
	for _, table := range []int{modbustest.Holding, modbustest.Input} {
		for a := range 100 {
			d.Set(unit, table, a, truth(unit, table, a))
		}
	}
	d.Set(unit, modbustest.Input, 90, 4711)
}

// check compares a reading with the truth.
func check(t *testing.T, unit int, f drivers.Fact) (values int) {
	m := f.(drivers.Meter)
	for _, c := range []struct {
		what           string
		got            float64
		table, address int
	}{
		{"volts", float64(*m.Volts), modbustest.Input, 0}, {"amps", float64(*m.Amps), modbustest.Input, 10}, {"watts", float64(*m.Watts), modbustest.Input, 20},
		{"frequency", float64(*m.Frequency), modbustest.Input, 30}, {"energy", float64(*m.Energy), modbustest.Input, 40},
	} {
		values++
		if want := truth(unit, c.table, c.address); c.got != float64(want) {
			t.Errorf("unit %d: %s is %v, and the device holds %d", unit, c.what, c.got, want)
		}
	}
	return values
}

// A tally counts what a soak saw.
type tally struct {
	mu               sync.Mutex
	values, failures int
	faults           map[modbustest.Fault]int
}

// random strikes one answer in every. A serial device that answers another
// question than the one that was asked, unasked, is beyond what the protocol can
// tell, and none does: Other is for TCP alone.
func (c *tally) random(p *modbustest.Peer, every int) func() modbustest.Fault {
	all := modbustest.Faults()
	return func() modbustest.Fault {
		if rand.IntN(every) != 0 {
			return modbustest.None
		}
		f := all[rand.IntN(len(all))]
		if f == modbustest.Other && !p.TCP {
			f = modbustest.Late
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.faults[f]++
		return f
	}
}

// lateness is often one that comes after the line was drained and asked again.
func lateness() time.Duration {
	if rand.IntN(2) == 0 {
		return 2*time.Second + rand.N(1200*time.Millisecond)
	}
	return 100*time.Millisecond + rand.N(6*time.Second)
}

// run reads a device for as long as ctx lasts, and begins again where it fails.
func (c *tally) run(ctx context.Context, t *testing.T, d drivers.Driver, unit int, rest time.Duration) {
	for ctx.Err() == nil {
		d.Run(ctx, func(r drivers.Reading) {
			n := check(t, unit, r.Fact)
			c.mu.Lock()
			defer c.mu.Unlock()
			c.values += n
		})
		c.mu.Lock()
		c.failures++
		c.mu.Unlock()
		select {
		case <-time.After(rest):
		case <-ctx.Done():
		}
	}
}

// TestNoValueOfALongTimeIsWrong reads two devices of one line each second, with
// one answer in fifty late, short, garbled or otherwise wrong. The time is not
// real; LASTWATT_SOAK=24h makes it a day.
func TestNoValueOfALongTimeIsWrong(t *testing.T) {
	long := 30 * time.Minute
	if s := os.Getenv("LASTWATT_SOAK"); s != "" {
		var err error
		if long, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	soak := func(t *testing.T, r *rig) {
		c := &tally{faults: map[modbustest.Fault]int{}}
		r.peer.Next, r.peer.LateBy = c.random(r.peer, 50), lateness
		ctx, stop := context.WithTimeout(t.Context(), long)
		defer stop()
		path := writeMap(t, soakMap)
		var all sync.WaitGroup
		for unit := 1; unit <= 2; unit++ {
			soaked(r.device, unit)
			config := r.config(path)
			config.Unit, config.Poll = &unit, time.Second
			d := r.driver(config)
			all.Go(func() { c.run(ctx, t, d, unit, time.Second) })
		}
		all.Wait()
		t.Logf("%v: %d requests, faults %v, %d values compared, %d times given up", long, r.device.Asked(), c.faults, c.values, c.failures-2)
		if c.values < int(long/time.Second) {
			t.Errorf("only %d values in %v", c.values, long)
		}
	}
	t.Run("rtu", func(t *testing.T) { inSerial(t, soak) })
	t.Run("tcp", func(t *testing.T) { inTCP(t, soak) })
}
