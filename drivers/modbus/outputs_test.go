package modbus

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"lastwatt/drivers"
	"lastwatt/drivers/modbus/modbustest"
)

// board runs a board of relays; its outputs are a (relay 1, safe off), b (relay
// 2, safe on) and c (relay 3, kept).
func board(t *testing.T, r *rig) (s drivers.Switcher, readings func() map[string]drivers.Output, stop func() error) {
	t.Helper()
	c := r.config("waveshare-relay-8")
	c.Outputs = map[string]Output{"a": {Relay: 1}, "b": {Relay: 2, Safe: "on"}, "c": {Relay: 3, Safe: "keep"}}
	s = r.driver(c).(drivers.Switcher)
	ctx, cancel := context.WithCancel(t.Context())
	ended, seen := make(chan error, 1), make(chan drivers.Output, 100)
	go func() {
		ended <- s.Run(ctx, func(reading drivers.Reading) { seen <- reading.Fact.(drivers.Output) })
	}()
	readings = func() map[string]drivers.Output {
		got := map[string]drivers.Output{}
		for len(seen) > 0 {
			<-seen
		}
		for len(got) < 3 {
			o := <-seen
			got[o.Name] = o
		}
		return got
	}
	readings()
	return s, readings, func() error {
		cancel()
		return <-ended
	}
}

func (r *rig) coil(relay int) bool { return r.device.Get(1, modbustest.Coils, relay-1) == 1 }

func TestARelayIsSwitchedAndReadBack(t *testing.T) {
	inSerial(t, func(t *testing.T, r *rig) {
		relays(r.device, 1)
		r.device.Set(1, modbustest.Coils, 0, 1, 0, 1, 1)
		s, readings, stop := board(t, r)
		if r.coil(1) || !r.coil(2) || !r.coil(3) || !r.coil(4) {
			t.Error("at the start, a is to be off and b on; c is kept, and relay 4 is nobody's")
		}
		if err := s.Switch(t.Context(), "a", true); err != nil {
			t.Fatal(err)
		}
		if err := s.Switch(t.Context(), "b", false); err != nil {
			t.Fatal(err)
		}
		if got := readings(); !*got["a"].On || *got["b"].On || !*got["c"].On {
			t.Errorf("it reads %+v", got)
		}
		if err := stop(); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if r.coil(1) || !r.coil(2) || !r.coil(3) || !r.coil(4) {
			t.Error("at the end, a is to be off and b on; c is kept, and relay 4 is nobody's")
		}
		if err := s.Switch(t.Context(), "a", true); !errors.Is(err, drivers.ErrNotRunning) || r.coil(1) {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestAnInvertedOutputIsOnWithoutCurrent(t *testing.T) {
	inSerial(t, func(t *testing.T, r *rig) {
		relays(r.device, 1)
		r.device.Set(1, modbustest.Coils, 0, 1)
		c := r.config("waveshare-relay-8")
		c.Outputs = map[string]Output{"power": {Relay: 1, Safe: "on", Inverted: true}}
		s := r.driver(c).(drivers.Switcher)
		ctx, cancel := context.WithCancel(t.Context())
		ended, seen := make(chan error, 1), make(chan drivers.Output, 100)
		go func() {
			ended <- s.Run(ctx, func(reading drivers.Reading) { seen <- reading.Fact.(drivers.Output) })
		}()
		if o := <-seen; !*o.On || o.Fault != "" || r.coil(1) {
			t.Errorf("at the start: %+v, coil %v", o, r.coil(1))
		}
		if err := s.Switch(t.Context(), "power", false); err != nil || !r.coil(1) {
			t.Errorf("off: %v, coil %v", err, r.coil(1))
		}
		cancel()
		if <-ended; r.coil(1) {
			t.Error("at the end the coil has current")
		}
	})
}

func TestARelayThatSomebodyElseSwitchesIsTold(t *testing.T) {
	inSerial(t, func(t *testing.T, r *rig) {
		relays(r.device, 1)
		s, readings, stop := board(t, r)
		if err := s.Switch(t.Context(), "a", true); err != nil {
			t.Fatal(err)
		}
		r.device.Set(1, modbustest.Coils, 0, 0, 1, 1)
		time.Sleep(defaultPoll)
		got := readings()
		if o := got["a"]; *o.On || o.Fault != "relay 1 was switched on, and reads off" {
			t.Errorf("a: %+v", o)
		}
		if b, c := got["b"], got["c"]; b.Fault != "" || c.Fault != "" {
			t.Errorf("b: %+v, c, which nobody switched: %+v", b, c)
		}
		stop()
	})
}

func TestAnOutputThatReadsOtherwiseIsAnError(t *testing.T) {
	inSerial(t, func(t *testing.T, r *rig) {
		relays(r.device, 1)
		s, _, stop := board(t, r)
		r.device.Stick()
		err := s.Switch(t.Context(), "a", true)
		if want := `it: switch output "a" on: 3 attempts: relay 1 was switched on, and reads off`; err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
		err = s.Switch(t.Context(), "d", true)
		if want := `it: output "d": no such output; have ["a" "b" "c"]`; !errors.Is(err, drivers.ErrNoOutput) || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
		stop()
	})
}

func TestAPulseEndsOffWhateverHappens(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault modbustest.Fault
		cut   time.Duration // when the caller gives up; 0: never
		at    time.Duration // when the fault comes
		text  string
	}{
		{name: "undisturbed"},
		{name: "the caller gives up", cut: 100 * time.Millisecond, text: "context deadline exceeded"},
		{name: "the answer to off is lost", fault: modbustest.Lost, at: 250 * time.Millisecond},
		{name: "the answer to on is late", fault: modbustest.Late},
	} {
		t.Run(c.name, func(t *testing.T) {
			inSerial(t, func(t *testing.T, r *rig) {
				relays(r.device, 1)
				s, _, stop := board(t, r)
				ctx := t.Context()
				if c.cut > 0 {
					short, end := context.WithTimeout(ctx, c.cut)
					defer end()
					ctx = short
				}
				began, struck := time.Now(), false
				r.peer.Next = func() modbustest.Fault {
					if c.fault != modbustest.None && !struck && time.Since(began) >= c.at {
						struck = true
						return c.fault
					}
					return modbustest.None
				}
				err := s.Pulse(ctx, "a", 300*time.Millisecond)
				if c.text == "" && err != nil || c.text != "" && (err == nil || !strings.Contains(err.Error(), c.text)) {
					t.Errorf("%v, want %q", err, c.text)
				}
				on := false
				for _, w := range r.device.Writes() {
					on = on || w[2] == 0 && w[3] == 0xFF
				}
				if r.coil(1) || !on {
					t.Errorf("after the pulse the relay is on: %v; it was on before: %v", r.coil(1), on)
				}
				stop()
			})
		})
	}
}
