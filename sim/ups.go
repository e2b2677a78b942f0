package sim

import (
	"math"
	"sync"
	"time"

	"lastwatt/drivers"
)

// UPSParams are what a UPS is and how it misbehaves.
type UPSParams struct {
	Battery      Battery
	NominalWatts drivers.Watt
	// CutsOnMains: a cut that was ordered comes even when mains is back.
	CutsOnMains bool
	// OutletsWithoutMains is a fault seen on many CyberPower units: with a
	// start delay above 0 the outlets come back without mains.
	OutletsWithoutMains bool
	// ReturnDelay is from mains (or the cut, with mains there) to outlets
	// on; 0 is 10 s.
	ReturnDelay time.Duration
	// RuntimeCap is the greatest runtime it tells; 0 is no cap.
	RuntimeCap time.Duration
	Model      string
}

// A UPS is a battery with outlets. It is safe for concurrent use; whoever owns
// it moves its time with Advance.
type UPS struct {
	mu       sync.Mutex
	p        UPSParams
	mains    bool
	outlets  bool
	load     drivers.Watt
	start    time.Duration // below 0: stay off
	shutdown time.Duration // below 0: none
	off      time.Duration // since the outlets went off
	stayOff  bool
	test     bool
	beeper   string
	changed  []func()
	dirty    bool
}

// NewUPS is a UPS on mains.
func NewUPS(p UPSParams) *UPS {
	if p.ReturnDelay == 0 {
		p.ReturnDelay = 10 * time.Second
	}
	if p.NominalWatts == 0 {
		p.NominalWatts = 720
	}
	return &UPS{p: p, mains: true, outlets: true, start: -time.Minute, shutdown: -time.Minute, beeper: "enabled"}
}

// Advance moves its time on.
func (u *UPS) Advance(d time.Duration) {
	u.locked(func() {
		low := u.low()
		for d > 0 {
			// In steps, so that a long one does not jump over an end.
			step := min(d, time.Second)
			u.advance(step)
			d -= step
		}
		u.dirty = u.dirty || low != u.low()
	})
}

func (u *UPS) advance(d time.Duration) {
	if u.mains {
		u.p.Battery.Charge(d)
	}
	if u.outlets {
		if !u.mains && u.p.Battery.Discharge(u.load, d) {
			u.setOutlets(false)
			u.shutdown = -time.Minute
		}
		if u.shutdown >= 0 {
			if u.shutdown -= d; u.shutdown < 0 {
				u.shutdown = -time.Minute
				if u.p.CutsOnMains || !u.mains {
					u.stayOff = u.start < 0
					u.setOutlets(false)
				}
			}
		}
		return
	}
	u.off += d
	back := u.mains || u.p.OutletsWithoutMains && u.start > 0 && u.p.Battery.Wh > 0
	if back && !u.stayOff && u.off >= u.p.ReturnDelay+max(u.start, 0) {
		u.start = -time.Minute
		u.setOutlets(true)
	}
}

func (u *UPS) setOutlets(on bool) {
	u.outlets, u.off, u.dirty = on, 0, true
}

// locked runs f under the lock and, outside of it, tells who listens when an
// edge came.
func (u *UPS) locked(f func()) {
	u.mu.Lock()
	f()
	var tell []func()
	if u.dirty {
		tell, u.dirty = u.changed, false
	}
	u.mu.Unlock()
	for _, f := range tell {
		f()
	}
}

// OnChange adds a function that is called after each edge of mains, outlets,
// low battery or a delay, outside of the lock.
func (u *UPS) OnChange(f func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.changed = append(u.changed[:len(u.changed):len(u.changed)], f)
}

// SetMains switches utility power.
func (u *UPS) SetMains(on bool) {
	u.locked(func() {
		if u.mains != on {
			u.mains, u.dirty = on, true
			if on && !u.outlets {
				u.off = 0
				u.stayOff = u.stayOff && u.p.Battery.Wh > 0
			}
		}
	})
}

// Mains is whether utility power is there.
func (u *UPS) Mains() bool { u.mu.Lock(); defer u.mu.Unlock(); return u.mains }

// Outlets is whether the outlets have power.
func (u *UPS) Outlets() bool { u.mu.Lock(); defer u.mu.Unlock(); return u.outlets }

// SetLoad is what the outlets feed, in watts.
func (u *UPS) SetLoad(w drivers.Watt) { u.mu.Lock(); defer u.mu.Unlock(); u.load = w }

// SetStartDelay is how long after mains the outlets come on; below 0 they stay
// off.
func (u *UPS) SetStartDelay(d time.Duration) { u.locked(func() { u.start, u.dirty = d, true }) }

// SetShutdownDelay begins the countdown to outlets off; below 0 ends it.
func (u *UPS) SetShutdownDelay(d time.Duration) { u.locked(func() { u.shutdown, u.dirty = d, true }) }

// StartDelay and ShutdownDelay are what counts now; below 0 is nothing.
func (u *UPS) StartDelay() time.Duration { u.mu.Lock(); defer u.mu.Unlock(); return u.start }

// ShutdownDelay is what the countdown to outlets off stands at.
func (u *UPS) ShutdownDelay() time.Duration { u.mu.Lock(); defer u.mu.Unlock(); return u.shutdown }

// SetBeeper is enabled, disabled or muted.
func (u *UPS) SetBeeper(s string) { u.locked(func() { u.beeper, u.dirty = s, true }) }

// Battery is the truth about its battery.
func (u *UPS) Battery() Battery { u.mu.Lock(); defer u.mu.Unlock(); return u.p.Battery }

func (u *UPS) low() bool { return u.p.Battery.Percent() <= 10 }

// Fact is what it tells: like a CyberPower, whole percents and volts, and a load
// in whole percents of its nominal power.
func (u *UPS) Fact() drivers.UPS {
	u.mu.Lock()
	defer u.mu.Unlock()
	b := u.p.Battery
	input := drivers.Volt(0)
	if u.mains {
		input = 234
	}
	load := drivers.Watt(0)
	output := drivers.Volt(0)
	if u.outlets {
		load, output = u.load, 234
	}
	percent := math.Round(100 * float64(load) / float64(u.p.NominalWatts))
	runtime := b.Lasts(drivers.Watt(percent / 100 * float64(u.p.NominalWatts))).Round(time.Second)
	if u.p.RuntimeCap > 0 {
		runtime = min(runtime, u.p.RuntimeCap)
	}
	model := u.p.Model
	if model == "" {
		model = "BR1200ELCD"
	}
	return drivers.UPS{
		OnBattery: new(!u.mains), Charging: new(u.mains && b.Percent() < 100), Discharging: new(!u.mains),
		FullyCharged: new(b.Percent() >= 100), LowBattery: new(u.low()), Overload: new(load > u.p.NominalWatts), ReplaceBattery: new(false),
		ShutdownPending: new(u.shutdown >= 0), TestInProgress: new(u.test),
		Charge: new(drivers.Percent(math.Floor(b.Percent()))), Runtime: &runtime,
		ChargeLow: new(drivers.Percent(10)), ChargeWarning: new(drivers.Percent(20)), RuntimeLow: new(300 * time.Second),
		BatteryVoltage: new(drivers.Volt(math.Round(10*(21+5.6*b.Percent()/100)) / 10)), BatteryNominal: new(drivers.Volt(24)),
		BatteryType: "PbAcid", InputVoltage: &input, InputNominal: new(drivers.Volt(230)), OutputVoltage: &output,
		TransferLow: new(drivers.Volt(167)), TransferHigh: new(drivers.Volt(295)),
		Load: new(drivers.Percent(percent)), PowerNominal: &u.p.NominalWatts,
		TimerShutdown: new(u.shutdown.Round(time.Second)), TimerStart: new(u.start.Round(time.Second)),
		Beeper: u.beeper, TestResult: "No test initiated", Maker: "CPS", Model: model,
	}
}

// Do does a command as a driver's [drivers.Commander] promises, in whole minutes
// of delay.
func (u *UPS) Do(c drivers.Command) (drivers.Answer, error) {
	minutes := max(1, (c.Delay+time.Minute-1)/time.Minute) * time.Minute
	switch c.Name {
	case drivers.ShutdownReturn, drivers.ShutdownStayoff:
		start := time.Duration(0)
		if c.Name == drivers.ShutdownStayoff {
			start = -time.Minute
		}
		u.SetStartDelay(start)
		u.SetShutdownDelay(minutes)
		return drivers.Answer{Delay: minutes}, nil
	case drivers.ShutdownStop:
		u.SetShutdownDelay(-time.Minute)
	case drivers.BeeperEnable:
		u.SetBeeper("enabled")
	case drivers.BeeperDisable:
		u.SetBeeper("disabled")
	case drivers.BeeperMute:
		u.SetBeeper("muted")
	default:
		return drivers.Answer{}, drivers.ErrUnsupported
	}
	return drivers.Answer{}, nil
}
