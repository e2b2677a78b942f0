package sim

import (
	"testing"
	"time"

	"lastwatt/drivers"
)

func rackUPS(f func(*UPSParams)) *UPS {
	p := Reference().UPS
	if f != nil {
		f(&p)
	}
	u := NewUPS(p)
	u.SetLoad(50)
	return u
}

func TestABatterySinksFasterUnderAHeavierLoad(t *testing.T) {
	lasts := func(load drivers.Watt) time.Duration {
		u := rackUPS(nil)
		u.SetLoad(load)
		u.SetMains(false)
		var d time.Duration
		for ; u.Outlets() && d < 24*time.Hour; d += 10 * time.Second {
			u.Advance(10 * time.Second)
		}
		return d
	}
	light, heavy := lasts(50), lasts(200)
	if light <= 4*heavy {
		t.Errorf("50 W last %s, 200 W %s: lead acid gives less than a quarter at four times the load", light, heavy)
	}
	if light < 30*time.Minute || light > 3*time.Hour {
		t.Errorf("50 W last %s on a battery of 100 Wh", light)
	}
}

func TestACutAndWhatComesAfterIt(t *testing.T) {
	for _, c := range []struct {
		name          string
		params        func(*UPSParams)
		start         time.Duration
		mainsAtCut    bool
		cut, wayBack  bool // are the outlets off after the delay; on an hour later without mains
		backWithMains bool
	}{
		{"with a start delay of 0 they come back with mains", nil, 0, false, true, false, true},
		{"a stay-off stays off", nil, -time.Minute, false, true, false, false},
		{"with a start delay above 0 some come back without mains", func(p *UPSParams) { p.OutletsWithoutMains = true }, time.Minute, false, true, true, true},
		{"some do not cut while mains is there", func(p *UPSParams) { p.CutsOnMains = false }, 0, true, false, true, true},
		{"others do", nil, 0, true, true, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := rackUPS(c.params)
			u.SetMains(false)
			u.SetStartDelay(c.start)
			u.SetShutdownDelay(2 * time.Minute)
			u.SetMains(c.mainsAtCut)
			u.Advance(2*time.Minute + 2*time.Second)
			if u.Outlets() == c.cut {
				t.Errorf("outlets %v after the delay", u.Outlets())
			}
			u.Advance(time.Hour)
			if u.Outlets() != c.wayBack {
				t.Errorf("outlets %v an hour later", u.Outlets())
			}
			u.SetMains(true)
			u.Advance(5 * time.Minute)
			if u.Outlets() != c.backWithMains {
				t.Errorf("outlets %v five minutes after mains", u.Outlets())
			}
		})
	}
}

func TestAnEdgeIsToldOnce(t *testing.T) {
	u := rackUPS(nil)
	n := 0
	u.OnChange(func() { n++ })
	u.SetMains(false)
	u.SetMains(false)
	u.Advance(time.Second)
	if n != 1 {
		t.Errorf("mains lost was told %d times", n)
	}
	if f := u.Fact(); !*f.OnBattery || *f.InputVoltage != 0 || f.Status() == "" {
		t.Errorf("fact = on battery %v, input %v, status %q", *f.OnBattery, *f.InputVoltage, f.Status())
	}
}

func TestCommandsAreInWholeMinutes(t *testing.T) {
	u := rackUPS(nil)
	a, err := u.Do(drivers.Command{Name: drivers.ShutdownReturn, Delay: 61 * time.Second})
	if err != nil || a.Delay != 2*time.Minute || u.ShutdownDelay() != 2*time.Minute || u.StartDelay() != 0 {
		t.Errorf("shutdown.return: %v, %v; delays %s, %s", a, err, u.ShutdownDelay(), u.StartDelay())
	}
	if _, err := u.Do(drivers.Command{Name: drivers.ShutdownStop}); err != nil || u.ShutdownDelay() >= 0 {
		t.Errorf("shutdown.stop: %v; delay %s", err, u.ShutdownDelay())
	}
	if _, err := u.Do(drivers.Command{Name: "outlet.explode"}); err != drivers.ErrUnsupported {
		t.Errorf("an unknown command: %v", err)
	}
}
