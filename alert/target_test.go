package alert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastwatt/clock"
	"lastwatt/rack"
)

// A person is told things while reachable is true; each attempt takes as long
// as slow.
type person struct {
	start     time.Time
	reachable func(at time.Duration) bool
	slow      time.Duration

	attempts []time.Duration
	told     []string
}

func (p *person) deliver(ctx context.Context, title, body string) error {
	at := time.Since(p.start)
	p.attempts = append(p.attempts, at)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(p.slow):
	}
	if p.reachable != nil && !p.reachable(at) {
		return errors.New("nobody there")
	}
	p.told = append(p.told, title)
	return nil
}

// after is reachable from d on.
func after(d time.Duration) func(time.Duration) bool {
	return func(at time.Duration) bool { return at >= d }
}

// bubble runs a sender for people in a bubble of fake time; do gets the sender
// and a function that ends it.
func bubble(t *testing.T, people []*person, do func(s *Sender, stop func(), log *bytes.Buffer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &Sender{}
		for i, p := range people {
			p.start = time.Now()
			handler := slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			}})
			s.targets = append(s.targets, &target{name: fmt.Sprint(i), deliver: p.deliver, clock: clock.Process(), log: slog.New(handler), queue: make(chan item, queueRoom)})
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		stop := func() {
			cancel()
			if err := <-ended; err != context.Canceled {
				t.Errorf("Run returned %v", err)
			}
		}
		do(s, stop, &log)
	})
}

func event(kind string) rack.Event { return rack.Event{Kind: kind, Severity: "warning"} }

func TestAMessageIsTriedAgainWithGrowingPauses(t *testing.T) {
	p := &person{reachable: after(30 * time.Minute)}
	bubble(t, []*person{p}, func(s *Sender, stop func(), log *bytes.Buffer) {
		s.Send(event(rack.OnBattery))
		time.Sleep(time.Hour)
		stop()
		minutes := func(m float64) time.Duration { return time.Duration(m * float64(time.Minute)) }
		want := []time.Duration{0, minutes(0.5), minutes(2.5), minutes(7.5), minutes(22.5), minutes(37.5)}
		if diff := cmp.Diff(want, p.attempts); diff != "" {
			t.Errorf("attempts: %s", diff)
		}
		wantLog := "level=WARN msg=\"alert: not delivered; it is tried again for a day\" err=\"nobody there\"\nlevel=INFO msg=\"alert: delivered again\"\n"
		if diff := cmp.Diff(wantLog, log.String()); diff != "" {
			t.Errorf("one line per change of state: %s", diff)
		}
	})
}

func TestAMessageIsGivenUpAfterADay(t *testing.T) {
	p := &person{reachable: after(25 * time.Hour)}
	bubble(t, []*person{p}, func(s *Sender, stop func(), log *bytes.Buffer) {
		s.Send(event(rack.OnBattery))
		time.Sleep(25 * time.Hour)
		s.Send(event(rack.Restored))
		time.Sleep(time.Minute)
		stop()
		if last := p.attempts[len(p.attempts)-2]; last < 23*time.Hour || last > 24*time.Hour {
			t.Errorf("the last attempt was after %v", last)
		}
		if diff := cmp.Diff([]string{"All is as before"}, p.told); diff != "" {
			t.Error(diff)
		}
		if !strings.Contains(log.String(), "given up after a day") {
			t.Errorf("the log is\n%s", log)
		}
	})
}

func TestOrderIsKeptForATargetThatWasAway(t *testing.T) {
	p := &person{reachable: after(time.Minute)}
	bubble(t, []*person{p}, func(s *Sender, stop func(), _ *bytes.Buffer) {
		for _, kind := range []string{rack.OnBattery, rack.Stage, rack.OnMains, rack.Undone} {
			s.Send(event(kind))
			time.Sleep(10 * time.Second)
		}
		time.Sleep(10 * time.Minute)
		stop()
		want := []string{"On battery", "Load is shed", "Mains is back", "Taken back in time"}
		if diff := cmp.Diff(want, p.told); diff != "" {
			t.Error(diff)
		}
	})
}

func TestASlowTargetDelaysNobodyElse(t *testing.T) {
	slow, quick := &person{slow: 8 * time.Second}, &person{}
	bubble(t, []*person{slow, quick}, func(s *Sender, stop func(), _ *bytes.Buffer) {
		began := time.Now()
		for range 3 {
			s.Send(event(rack.OnBattery))
		}
		synctest.Wait()
		if len(quick.told) != 3 || time.Since(began) != 0 {
			t.Errorf("after %v %d were told", time.Since(began), len(quick.told))
		}
		stop()
		if took := time.Since(began); took != lastWords {
			t.Errorf("the end took %v, want %v", took, lastWords)
		}
	})
}

func TestWhatWaitsAtTheEndIsStillTold(t *testing.T) {
	p := &person{slow: time.Second}
	bubble(t, []*person{p}, func(s *Sender, stop func(), _ *bytes.Buffer) {
		s.Send(event(rack.CutArmed))
		s.Send(event(rack.Dark))
		stop()
		if diff := cmp.Diff([]string{"The UPS will switch off", "The rack goes dark"}, p.told); diff != "" {
			t.Error(diff)
		}
	})
}

func TestTheEndDoesNotWaitForATargetThatIsAway(t *testing.T) {
	p := &person{reachable: after(time.Hour)}
	bubble(t, []*person{p}, func(s *Sender, stop func(), _ *bytes.Buffer) {
		s.Send(event(rack.OnBattery))
		s.Send(event(rack.Dark))
		time.Sleep(10 * time.Second)
		began := time.Now()
		stop()
		if took := time.Since(began); took != 0 || len(p.attempts) != 1 {
			t.Errorf("it took %v and %d attempts", took, len(p.attempts))
		}
	})
}

func TestTooManyWaitingDropTheOldest(t *testing.T) {
	p := &person{reachable: after(time.Second)}
	bubble(t, []*person{p}, func(s *Sender, stop func(), log *bytes.Buffer) {
		s.Send(event(rack.OnBattery))
		synctest.Wait() // the first is being told
		s.Send(event(rack.Stage))
		for range queueRoom {
			s.Send(event(rack.Health))
		}
		time.Sleep(time.Minute)
		stop()
		if len(p.told) != queueRoom+1 || p.told[0] != "On battery" || p.told[1] != "Needs attention" {
			t.Errorf("%d were told, beginning with %q", len(p.told), p.told[:2])
		}
		if !strings.Contains(log.String(), `msg="alert: too many waited, the oldest were dropped" count=1`) {
			t.Errorf("the log is\n%s", log)
		}
	})
}

func TestOnlySevereEnoughEventsAreTold(t *testing.T) {
	for _, c := range []struct {
		name, from, severity string
		want                 int
	}{
		{"everything, info", "", "info", 1},
		{"from warning, info", "warning", "info", 0},
		{"from warning, warning", "warning", "warning", 1},
		{"from warning, critical", "warning", "critical", 1},
		{"from critical, warning", "critical", "warning", 0},
		{"from critical, an unknown one", "critical", "", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := New([]Target{{URL: "ntfy://ntfy.lan/rack", From: c.from}}, clock.Real(), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			s.Send(rack.Event{Kind: rack.Stage, Severity: c.severity})
			if got := len(s.targets[0].queue); got != c.want {
				t.Errorf("%d are waiting, want %d", got, c.want)
			}
		})
	}
}
