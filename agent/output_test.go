package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lastwatt/drivers"
	"lastwatt/link"
)

// relays are outputs that note what they are told; those that are welded fail.
type relays struct {
	told   []string
	welded bool
}

func (r *relays) Run(ctx context.Context, _ func(drivers.Reading)) error {
	<-ctx.Done()
	return ctx.Err()
}

func (r *relays) Switch(ctx context.Context, output string, on bool) error {
	if r.welded {
		return errors.New("it reads back otherwise")
	}
	r.told = append(r.told, fmt.Sprintf("%s %t", output, on))
	return ctx.Err()
}

func (r *relays) Pulse(_ context.Context, output string, on time.Duration) error {
	r.told = append(r.told, fmt.Sprintf("%s %s", output, on))
	return nil
}

// bell is an alarm.
type bell struct {
	after time.Duration
	err   error
}

func (b *bell) SetAlarm(after time.Duration) error {
	b.after = after
	return b.err
}

func asked(t *testing.T, verb link.Verb, args any) link.Order {
	data, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	return link.Order{ID: "o1-e1", Verb: verb, Args: data}
}

func TestANodeThatItsClockIsToStartIsHaltedOnlyWithTheAlarmSet(t *testing.T) {
	for _, c := range []struct {
		name  string
		alarm *bell
		args  link.HaltArgs
		want  string // what it says
		told  string
	}{
		{"no alarm was asked for", nil, link.HaltArgs{}, "", "halt"},
		{"the alarm is set", &bell{}, link.HaltArgs{WakeAfterMS: 600_000}, "", "halt"},
		{"it has no clock", nil, link.HaltArgs{WakeAfterMS: 600_000}, "not halted: no clock of this node could start it again", ""},
		{"the alarm does not take", &bell{err: errors.New("rtc0: permission denied")}, link.HaltArgs{WakeAfterMS: 600_000}, "not halted: setting the alarm that starts it again: rtc0: permission denied", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, a *Agent, m *computer) {
				if c.alarm != nil {
					a.c.Alarm = c.alarm
				}
				_, err := a.do(context.Background(), asked(t, link.HaltNode, c.args))
				if said := fmt.Sprint(err); said != c.want && !(err == nil && c.want == "") {
					t.Errorf("it said %q, want %q", said, c.want)
				}
				if got := m.all(); got != c.told {
					t.Errorf("the machine was told %q, want %q", got, c.told)
				}
				if c.args.WakeAfterMS > 0 && c.alarm != nil && c.alarm.after != 10*time.Minute {
					t.Errorf("the alarm was set to %s", c.alarm.after)
				}
			})
		})
	}
}

func TestAnAgentSwitchesItsOutputs(t *testing.T) {
	args := link.OutputArgs{Sensor: "pins", Output: "node03", ForMS: 5000}
	for _, c := range []struct {
		name   string
		verb   link.Verb
		args   link.OutputArgs
		welded bool
		told   string
		err    string
	}{
		{"a pulse", link.PulseOutput, args, false, "node03 5s", ""},
		{"off and on again", link.CycleOutput, args, false, "node03 false, node03 true", ""},
		{"an output that does not switch", link.CycleOutput, args, true, "", `switching "node03" off: it reads back otherwise`},
		{"a sensor that is not configured", link.PulseOutput, link.OutputArgs{Sensor: "other"}, false, "", `output.pulse: no such output: no sensor "other" with outputs in the agent's configuration`},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, a *Agent, _ *computer) {
				r := &relays{welded: c.welded}
				a.c.Outputs = map[string]drivers.Switcher{"pins": r}
				_, err := a.do(context.Background(), asked(t, c.verb, c.args))
				if got := strings.Join(r.told, ", "); got != c.told {
					t.Errorf("the outputs were told %q, want %q", got, c.told)
				}
				if (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
					t.Errorf("err = %v, want %q", err, c.err)
				}
			})
		})
	}
}

func TestACycleThatIsGivenUpStillEndsWithThePowerOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &relays{}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		err := drivers.Cycle(ctx, r, "node03", time.Minute, time.After)
		if !errors.Is(err, context.DeadlineExceeded) || strings.Join(r.told, ", ") != "node03 false, node03 true" {
			t.Errorf("Cycle = %v, the output was told %q", err, r.told)
		}
	})
}
