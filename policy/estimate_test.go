package policy

import (
	"testing"
	"time"
)

func TestTimeToEmptyIsTheMostCarefulOfWhatIsCredible(t *testing.T) {
	r := Rules{AssumedRuntime: 20 * time.Minute}
	ups := func(charge float64, runtime time.Duration, load float64) UPS {
		return UPS{Power: OnBattery, Contact: true, At: 10 * time.Minute, Charge: &charge, Runtime: &runtime, Load: &load}
	}
	for _, c := range []struct {
		name   string
		ups    UPS
		outage *Outage
		now    time.Duration
		want   time.Duration
		method string
	}{
		{"the UPS's figure alone", ups(100, 40*time.Minute, 4), &Outage{}, 10 * time.Minute, 40 * time.Minute, "the UPS's figure"},
		{"its age is taken off", ups(100, 40*time.Minute, 4), &Outage{}, 15 * time.Minute, 35 * time.Minute, "the UPS's figure"},
		{"a steeper slope wins", ups(50, 40*time.Minute, 4), &Outage{PerPercent: 12 * time.Second}, 10 * time.Minute, 10 * time.Minute, "the slope of the charge"},
		{"a flatter slope does not", ups(50, 5*time.Minute, 4), &Outage{PerPercent: 12 * time.Second}, 10 * time.Minute, 5 * time.Minute, "the UPS's figure"},
		{"load 0 is no figure", ups(100, 2*time.Hour, 0), &Outage{}, 10 * time.Minute, 20 * time.Minute, "assumed"},
		{"runtime 0 is no figure", ups(50, 0, 4), &Outage{}, 10 * time.Minute, 10 * time.Minute, "assumed"},
		{"a stuck figure is none", ups(100, 2*time.Hour, 4), &Outage{First: &Anchor{At: time.Minute, Charge: 100, Runtime: new(2 * time.Hour)}}, 10 * time.Minute, 20 * time.Minute, "assumed"},
		{"nothing known is never long", UPS{Power: OnBattery, Since: 0}, &Outage{}, 5 * time.Minute, 15 * time.Minute, "assumed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := TimeToEmpty(r, State{Now: c.now, Phase: Riding, Outage: c.outage, Seen: Seen{UPS: c.ups}})
			if got.Left != c.want || got.Method != c.method {
				t.Errorf("got %s by %s, want %s by %s", got.Left, got.Method, c.want, c.method)
			}
		})
	}
}

func TestLeaseParksNoNodeOnMains(t *testing.T) {
	r := rackRules()
	left := 40 * time.Minute
	battery := UPS{Power: OnBattery, Charge: new(100.0), Runtime: &left, Load: new(4.0)}
	for _, c := range []struct {
		name    string
		state   State
		after   time.Duration
		release bool
	}{
		{"mains", State{Armed: true, Phase: Mains, Seen: Seen{UPS: UPS{Power: OnMains}}}, 0, true},
		{"unknown", State{Armed: true, Phase: Mains}, 0, false},
		{"battery", State{Armed: true, Phase: Riding, Outage: &Outage{ID: "o1"}, Seen: Seen{UPS: battery}}, 29 * time.Minute, false},
		{"battery on observe", State{Phase: Riding, Outage: &Outage{ID: "o1"}, Seen: Seen{UPS: battery}}, 0, false},
		{"mains with a cut coming", State{Armed: true, Phase: Dark, Outage: &Outage{ID: "o1", CutAt: time.Hour}, Seen: Seen{UPS: UPS{Power: OnMains}}}, 0, false},
		{"recovering", State{Armed: true, Phase: Recovering, Outage: &Outage{ID: "o1", Step: StepReturn}, Seen: Seen{UPS: UPS{Power: OnMains}}}, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := LeaseFor(r, c.state)
			if l.ParkAfter != c.after || l.Release != c.release {
				t.Errorf("park after %s, release %v; want %s, %v", l.ParkAfter, l.Release, c.after, c.release)
			}
		})
	}
}
