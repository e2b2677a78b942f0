package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lastwatt/clock"
	"lastwatt/drivers"
	"lastwatt/link"
)

// computer is a machine that only notes what it is told.
type computer struct {
	mu   sync.Mutex
	told []string
	err  error
	slow time.Duration // what a park takes
}

func (c *computer) note(s string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = append(c.told, s)
	return c.err
}
func (c *computer) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}
func (c *computer) Halt(context.Context) error { return c.note("halt") }
func (c *computer) Park(ctx context.Context, longest time.Duration) error {
	select {
	case <-time.After(c.slow):
	case <-ctx.Done():
		return ctx.Err()
	}
	return c.note("park " + longest.String())
}
func (c *computer) Reboot(context.Context) error { return c.note("reboot") }
func (c *computer) all() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.told, ", ")
}

// bubble runs f with an agent that runs, in fake time.
func bubble(t *testing.T, f func(t *testing.T, a *Agent, m *computer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := &computer{}
		a := New(Config{Node: "node02", BootID: "b", Machine: m, Clock: clock.Process(), Log: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { a.Run(ctx, func(drivers.Reading) {}) })
		f(t, a, m)
		cancel()
		running.Wait()
	})
}

func TestTheLeaseSaysWhatANodeDoesByItself(t *testing.T) {
	battery := link.Lease{Power: "battery", Phase: "riding", ParkAfter: 10 * time.Minute, ParkLongest: time.Hour}
	for _, c := range []struct {
		name   string
		lease  link.Lease
		silent time.Duration
		want   string
	}{
		{"on mains, silence means nothing", link.Lease{Power: "mains", Phase: "mains"}, 24 * time.Hour, ""},
		{"with power unknown, silence means nothing", link.Lease{Power: "unknown"}, 24 * time.Hour, ""},
		{"on battery, it waits", battery, 9*time.Minute + 50*time.Second, ""},
		{"on battery, it parks when the silence was long", battery, 10*time.Minute + 5*time.Second, "park 1h0m0s"},
		{"on battery, it parks once", battery, 3 * time.Hour, "park 1h0m0s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, a *Agent, m *computer) {
				a.Leased(c.lease)
				time.Sleep(c.silent)
				synctest.Wait()
				if got := m.all(); got != c.want {
					t.Errorf("it did %q, want %q", got, c.want)
				}
			})
		})
	}
}

func TestAnAgentThatHearsItsControllerDoesNothingByItself(t *testing.T) {
	bubble(t, func(t *testing.T, a *Agent, m *computer) {
		for range 1000 {
			a.Leased(link.Lease{Power: "battery", Phase: "riding", ParkAfter: 10 * time.Minute, ParkLongest: time.Hour})
			time.Sleep(2 * time.Second)
		}
		synctest.Wait()
		if got := m.all(); got != "" {
			t.Errorf("it did %q", got)
		}
	})
}

func TestAParkedNodeThatIsReleasedStartsAgainAndIsNotToldAtEachLease(t *testing.T) {
	bubble(t, func(t *testing.T, a *Agent, m *computer) {
		say(t, a, "e1", link.ParkNode, `{"longest_ms":60000}`)
		for range 20 {
			a.Leased(link.Lease{Power: "mains", Phase: "recovering", Release: true})
			time.Sleep(2 * time.Second)
		}
		synctest.Wait()
		if got := m.all(); got != "park 1m0s, reboot, reboot" {
			t.Errorf("in 40 s it did %q, want one reboot each 30 s", got)
		}
	})
}

// say gives an order and waits for its result.
func say(t *testing.T, a *Agent, id string, verb link.Verb, args string) link.Result {
	t.Helper()
	result := make(chan link.Result, 1)
	a.Ordered(t.Context(), link.Order{ID: id, Verb: verb, Args: json.RawMessage(args), Lifetime: time.Minute}, func(r link.Result) { result <- r })
	return <-result
}

func TestAnOrderThatIsSaidAgainIsDoneOnce(t *testing.T) {
	bubble(t, func(t *testing.T, a *Agent, m *computer) {
		for range 3 {
			if r := say(t, a, "e1", link.HaltNode, ""); r.Err != "" {
				t.Errorf("result = %+v", r)
			}
		}
		if got := m.all(); got != "halt" {
			t.Errorf("it did %q, want one halt", got)
		}
	})
}

func TestAParkedNodeCountsItsLongestTimeAnewWhenItIsToldAgain(t *testing.T) {
	bubble(t, func(t *testing.T, a *Agent, m *computer) {
		say(t, a, "e1", link.ParkNode, `{"longest_ms":60000}`)
		if r := say(t, a, "e2", link.ParkNode, `{"longest_ms":1800000}`); r.Err != "" {
			t.Errorf("result = %+v", r)
		}
		if got := m.all(); got != "park 1m0s, park 30m0s" {
			t.Errorf("it did %q, want the timer armed again with the second order's time", got)
		}
	})
}

func TestALeaseThatRunsOutWhileAnOrderParksLeavesTheOrdersTimer(t *testing.T) {
	bubble(t, func(t *testing.T, a *Agent, m *computer) {
		m.slow = 20 * time.Second
		a.Leased(link.Lease{Power: "battery", Phase: "committed", ParkAfter: 30 * time.Second, ParkLongest: time.Hour})
		time.Sleep(20 * time.Second)
		say(t, a, "e1", link.ParkNode, `{"longest_ms":60000}`)
		time.Sleep(time.Hour)
		if got := m.all(); got != "park 1m0s" {
			t.Errorf("it did %q", got)
		}
	})
}

func TestAParkedNodeThatLostItsTimerArmsItByItself(t *testing.T) {
	bubble(t, func(t *testing.T, a *Agent, m *computer) {
		say(t, a, "e1", link.ParkNode, `{"longest_ms":60000}`)
		m.fail(fmt.Errorf("%w: no bus", ErrTimer))
		if r := say(t, a, "e2", link.ParkNode, `{"longest_ms":1800000}`); r.Err == "" {
			t.Error("the controller takes the new time for armed")
		}
		time.Sleep(15 * time.Second)
		m.fail(nil)
		time.Sleep(time.Hour)
		if got := m.all(); got != "park 1m0s, park 30m0s, park 30m0s, park 30m0s" {
			t.Errorf("it did %q, want the timer armed each 10 s until that is done", got)
		}
	})
}

func TestANodeThatDidNotParkForWantOfATimerIsLeftToItsOrders(t *testing.T) {
	bubble(t, func(t *testing.T, a *Agent, m *computer) {
		m.fail(ErrTimer)
		say(t, a, "e1", link.ParkNode, `{"longest_ms":60000}`)
		time.Sleep(time.Minute)
		if got := m.all(); got != "park 1m0s" {
			t.Errorf("it did %q", got)
		}
	})
}

func TestAParkThatWasBegunIsFinishedThoughItsOrderIsTakenBack(t *testing.T) {
	bubble(t, func(t *testing.T, a *Agent, m *computer) {
		m.slow = 20 * time.Second
		order := func(id string, after time.Duration) link.Result {
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			result := make(chan link.Result, 1)
			a.Ordered(ctx, link.Order{ID: id, Verb: link.ParkNode, Args: json.RawMessage(`{"longest_ms":60000}`)}, func(r link.Result) { result <- r })
			return <-result
		}
		if r := order("e1", 0); !strings.HasPrefix(r.Err, "park: ") || m.all() != "" {
			t.Errorf("one taken back before it was begun: %+v, and it did %q", r, m.all())
		}
		if r := order("e2", time.Second); r.Err != "" || m.all() != "park 1m0s" {
			t.Errorf("one taken back after a second: %+v, and it did %q", r, m.all())
		}
	})
}

func TestAnOrderThatFailedIsTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, a *Agent, m *computer) {
		m.err = errors.New("the disk is full")
		if r := say(t, a, "e1", link.HaltNode, ""); r.Err != "the disk is full" {
			t.Errorf("result = %+v", r)
		}
		m.err = nil
		if r := say(t, a, "e1", link.HaltNode, ""); r.Err != "" {
			t.Errorf("result = %+v", r)
		}
	})
}

func TestOrdersThatCannotBeAreRefusedWithTheReason(t *testing.T) {
	bubble(t, func(t *testing.T, a *Agent, m *computer) {
		for _, c := range []struct {
			verb       link.Verb
			args, want string
		}{
			{link.ParkNode, `{}`, "park: it needs a longest time"},
			{link.ParkNode, `[]`, "node.park: json:"},
			{link.SwarmChange, `[]`, "this node has no container engine"},
			{"node.explode", ``, "this node has no container engine"},
		} {
			if r := say(t, a, string(c.verb)+c.args, c.verb, c.args); !strings.Contains(r.Err, c.want) {
				t.Errorf("%s %s: %q, want %q in it", c.verb, c.args, r.Err, c.want)
			}
		}
		if got := m.all(); got != "" {
			t.Errorf("it did %q", got)
		}
	})
}

func TestParkingGoesOnWhereTheEngineDoesNotStop(t *testing.T) {
	dir := t.TempDir()
	s := System{TimerCommands: [][]string{{"touch", dir + "/timer"}}, ParkCommands: [][]string{{"false"}, {"sh", "-c", "test $LASTWATT_LONGEST_S = 90 && touch " + dir + "/synced"}}}
	err := s.Park(t.Context(), 90*time.Second)
	if err == nil || !strings.HasPrefix(err.Error(), `park: "false": exit status 1`) {
		t.Errorf("Park = %v", err)
	}
	if err := run(t.Context(), "look", [][]string{{"test", "-e", dir + "/synced"}, {"test", "-e", dir + "/timer"}}, 0); err != nil {
		t.Error(err)
	}
}

func TestNothingIsParkedWithoutItsTimer(t *testing.T) {
	dir := t.TempDir()
	s := System{TimerCommands: [][]string{{"true"}, {"false"}}, ParkCommands: [][]string{{"touch", dir + "/parked"}}}
	if err := s.Park(t.Context(), time.Minute); err == nil || !errors.Is(err, ErrTimer) || !strings.Contains(err.Error(), `arm the timer: "false"`) {
		t.Errorf("Park = %v", err)
	}
	if run(t.Context(), "look", [][]string{{"test", "-e", dir + "/parked"}}, 0) == nil {
		t.Error("it parked without a timer that starts it again")
	}
}

func TestWhatIsNotConfiguredIsDoneSystemdsWay(t *testing.T) {
	s := System{HaltCommands: [][]string{{"halt"}}}.Or(DefaultSystem())
	if s.HaltCommands[0][0] != "halt" || !slices.Contains(s.RebootCommands[0], "reboot") || len(s.ParkCommands) == 0 || len(s.TimerCommands) == 0 {
		t.Errorf("system = %+v", s)
	}
}

// flaky is a sensor that fails twice before it answers.
type flaky struct{ runs int }

func (f *flaky) Run(ctx context.Context, report func(drivers.Reading)) error {
	if f.runs++; f.runs <= 2 {
		return errors.New("no such chip")
	}
	report(drivers.Reading{Fact: drivers.Fan{Name: "top"}})
	<-ctx.Done()
	return ctx.Err()
}

func TestASensorThatDoesNotAnswerIsToldUntilItDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(Config{Node: "node02", Machine: &computer{}, Clock: clock.Process(), Log: slog.New(slog.DiscardHandler), Sensors: []Sensor{{"pins", &flaky{}}}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var told []drivers.Fact
		a.Run(ctx, func(r drivers.Reading) { told = append(told, r.Fact) })
		lost := drivers.Silent{Name: "pins", Why: "no such chip"}
		if want := []drivers.Fact{lost, lost, drivers.Silent{Name: "pins"}, drivers.Fan{Name: "top"}}; !slices.Equal(told, want) {
			t.Errorf("told %+v, want %+v", told, want)
		}
	})
}
