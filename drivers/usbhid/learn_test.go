package usbhid

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lastwatt/drivers"
	"lastwatt/sim"
)

// simulated is a driver of a simulated UPS whose time goes with the test's.
type simulated struct{ ups *sim.UPS }

func (s simulated) Run(ctx context.Context, report func(drivers.Reading)) error {
	for ctx.Err() == nil {
		report(drivers.Reading{At: time.Now(), Fact: s.ups.Fact()})
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
			s.ups.Advance(time.Second)
		}
	}
	return ctx.Err()
}

func (s simulated) Do(_ context.Context, c drivers.Command) (drivers.Answer, error) {
	return s.ups.Do(c)
}

// visitor does what he is told, and sees what the lamp does.
type visitor struct {
	ups    *sim.UPS
	fed    bool
	refuse string // the question that is answered with no
	asked  []string
}

func (v *visitor) Tell(text string) {
	if strings.Contains(text, "Pull the plug now") {
		time.AfterFunc(5*time.Second, func() { v.ups.SetMains(false) })
	}
}

func (v *visitor) Yes(q string) (bool, error) {
	v.asked = append(v.asked, q)
	if v.refuse != "" && strings.Contains(q, v.refuse) {
		return false, nil
	}
	lamp := func(on bool, limit time.Duration) bool {
		for range int(limit / time.Second) {
			if v.ups.Outlets() == on {
				return true
			}
			time.Sleep(time.Second)
		}
		return false
	}
	switch {
	case strings.HasPrefix(q, "Is this machine"):
		return v.fed, nil
	case strings.Contains(q, "goes out"):
		return lamp(false, 3*time.Minute), nil
	case strings.HasPrefix(q, "Put it in now"):
		v.ups.SetMains(true)
		return lamp(true, 3*time.Minute), nil
	case strings.Contains(q, "lit again"):
		return lamp(true, 3*time.Minute), nil
	case strings.Contains(q, "without mains?"):
		return v.ups.Outlets(), nil
	}
	return true, nil
}

func TestATrialFindsWhatTheUPSDoes(t *testing.T) {
	for _, c := range []struct {
		name   string
		params sim.UPSParams
		want   Profile
	}{
		{"cuts on mains", sim.UPSParams{CutsOnMains: true}, Profile{DelayStep: time.Minute, CutsOnMains: true, ReturnsAlone: true, Return: 10 * time.Second}},
		{"does not cut on mains", sim.UPSParams{}, Profile{DelayStep: time.Minute, ReturnsAlone: true, Return: 10 * time.Second}},
		{"is slow to return", sim.UPSParams{ReturnDelay: 30 * time.Second}, Profile{DelayStep: time.Minute, ReturnsAlone: true, Return: 30 * time.Second}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.params.Battery = sim.ReferenceBattery()
				ups := sim.NewUPS(c.params)
				got, err := learn(t.Context(), simulated{ups}, func() int { return 0 }, &visitor{ups: ups})
				if err != nil {
					t.Fatal(err)
				}
				got.Return = got.Return.Round(5 * time.Second)
				got.Device = ""
				if got != c.want {
					t.Errorf("found %+v, want %+v", got, c.want)
				}
			})
		})
	}
}

func TestATrialIsRefusedWhereMoreThanALampHangsOnIt(t *testing.T) {
	for _, v := range []visitor{{fed: true}, {refuse: "Is a lamp"}, {refuse: "Ready?"}} {
		synctest.Test(t, func(t *testing.T) {
			v.ups = sim.NewUPS(sim.UPSParams{Battery: sim.ReferenceBattery()})
			_, err := learn(t.Context(), simulated{v.ups}, func() int { return 0 }, &v)
			if !errors.Is(err, errNotLearned) {
				t.Errorf("learn = %v after %q, want %v", err, v.asked, errNotLearned)
			}
			if v.ups.ShutdownDelay() >= 0 || !v.ups.Outlets() {
				t.Error("it ordered a cut all the same")
			}
			fmt.Fprintln(t.Output(), err)
		})
	}
}
