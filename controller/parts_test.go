package controller

import (
	"context"
	"encoding/json"
	"errors"
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
	"lastwatt/policy"
	"lastwatt/rack"
)

// board is a sensor with outputs that only note what they are told. It fails until
// the test lets it answer.
type board struct {
	answers chan drivers.Fact
	mu      sync.Mutex
	told    []string
}

func (b *board) Run(ctx context.Context, report func(drivers.Reading)) error {
	select {
	case f := <-b.answers:
		report(drivers.Reading{At: time.Now(), Fact: f})
		<-ctx.Done()
		return ctx.Err()
	default:
		return errors.New("no such chip")
	}
}

func (b *board) note(s string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told = append(b.told, s)
	return nil
}

func (b *board) Switch(_ context.Context, output string, on bool) error {
	if on {
		return b.note(output + " on")
	}
	return b.note(output + " off")
}

func (b *board) Pulse(_ context.Context, output string, d time.Duration) error {
	return b.note(output + " pulse " + d.String())
}

func (b *board) all() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.told, ", ")
}

// heard is a link that notes its orders.
type heard struct {
	mu     sync.Mutex
	orders []link.Order
}

func (h *heard) Order(_ context.Context, node string, o link.Order) (link.Result, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	o.Outage = node
	h.orders = append(h.orders, o)
	return link.Result{}, nil
}
func (h *heard) Kick() {}

// rackDesk is a controller with a sensor of the rack, a meter and wakers. The test is
// its loop.
func rackDesk(t *testing.T, f func(k *desk, b *board, h *heard)) {
	synctest.Test(t, func(t *testing.T) {
		k := &desk{diary: &diary{data: map[string][]byte{}}}
		b, h := &board{answers: make(chan drivers.Fact, 1)}, &heard{}
		r := rules()
		r.Nodes = append(r.Nodes, policy.NodeRules{Name: "node03", Wake: "relay"}, policy.NodeRules{Name: "node04", Wake: "rtc"})
		k.Controller = New(Config{Site: "test", Rules: r, UPS: []UPS{{Name: "main", Kind: "test", Feeds: []string{"node01"}, Driver: make(cable)}},
			Sensors: []Sensor{{Name: "pins", Driver: b}}, Meter: "outlets", NodeMeters: map[string]string{"m2": "node02"},
			Wakers: map[string]Waker{"node02": {Node: "node01", Sensor: "pins", Output: "wake2"}, "node03": {Sensor: "pins", Output: "power3"}},
			Agents: h, Journal: k.diary, Clock: clock.Process(), BootID: "b", Log: slog.New(slog.DiscardHandler),
			Tell: func(e rack.Event) { k.told = append(k.told, e.Kind+": "+e.Text) }})
		if err := k.resume(); err != nil {
			t.Fatal(err)
		}
		f(k, b, h)
	})
}

// sense is what the sensor of the rack says; hear is what a node's do; power is what
// the UPS says.
func (k *desk) sense(f drivers.Fact) {
	k.take(context.Background(), sensed{"pins", drivers.Reading{Fact: f}})
}

func (k *desk) hear(node string, f drivers.Fact) {
	k.take(context.Background(), reportIn{node, drivers.Reading{Fact: f}})
}

func (k *desk) power(onBattery bool) {
	k.take(context.Background(), reading{"main", drivers.Reading{At: time.Now(), Fact: ups(onBattery, 99)}})
}

func (k *desk) story(kind string) []string {
	return slices.DeleteFunc(slices.Clone(k.told), func(s string) bool { return !strings.HasPrefix(s, kind) })
}

func (k *desk) health(code string) []string {
	k.publishNow()
	var all []string
	for _, p := range k.Snapshot().Health {
		if p.Code == code {
			all = append(all, p.Severity+": "+p.Text)
		}
	}
	return all
}

func is(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestAFanThatStandsStillIsToldOnceAndUntilItHasLongTurned(t *testing.T) {
	rackDesk(t, func(k *desk, b *board, _ *heard) {
		fan := func(s drivers.FanState) { k.sense(drivers.Fan{Name: "top", RPM: new(900.0), State: s}) }
		fan(drivers.FanRunning)
		for range 3 { // it hangs, and turns for a moment each time
			fan(drivers.FanStalled)
			time.Sleep(5 * time.Second)
			fan(drivers.FanRunning)
			time.Sleep(5 * time.Second)
		}
		fan(drivers.FanStalled)
		is(t, "health", k.health("fan_stalled"), "critical: fan top of the rack stands still")
		fan(drivers.FanRunning)
		is(t, "health, just turning", k.health("fan_stalled"), "critical: fan top of the rack stands still")
		time.Sleep(31 * time.Second)
		fan(drivers.FanRunning)
		is(t, "health, turning", k.health("fan_stalled"))
		is(t, "told", k.story("fan_stalled"), "fan_stalled: Fan top of the rack stands still.")
		is(t, "told", k.story("part_back"), "part_back: Well again: it was told that fan top of the rack stands still.")
	})
}

func TestAStalledFanOfWhichNothingIsKnownAnyMoreIsNotWellAgain(t *testing.T) {
	rackDesk(t, func(k *desk, _ *board, _ *heard) {
		fan := func(s drivers.FanState) { k.hear("node02", drivers.Fan{Name: "cooling_fan", RPM: new(0.0), State: s}) }
		fan(drivers.FanStalled)
		for range 10 { // the node has cooled a little: its tachometer is no proof then
			fan(drivers.FanUnknown)
			time.Sleep(10 * time.Second)
		}
		is(t, "health", k.health("fan_stalled"), "critical: fan cooling_fan of node02 stands still")
		is(t, "told", k.story("part_back"))
	})
}

func TestWhatIsNotKnownAnyMoreIsNotWellAgain(t *testing.T) {
	rackDesk(t, func(k *desk, _ *board, _ *heard) {
		k.power(false)
		k.hear("node02", drivers.Rail{Name: "5v", Good: new(false), Level: drivers.Critical})
		k.hear("node02", drivers.Node{UnderVoltage: new(true)})
		k.sense(drivers.Witness{Name: "opto", Mains: new(false)})
		time.Sleep(20 * time.Second)
		k.sense(drivers.Witness{Name: "opto", Mains: new(false)})
		for range 10 { // a supply that fails makes its signal bounce
			k.hear("node02", drivers.Rail{Name: "5v"})
			k.hear("node02", drivers.Node{})
			k.sense(drivers.Witness{Name: "opto"})
			time.Sleep(10 * time.Second)
		}
		is(t, "rail", k.health("rail_low"), "critical: rail 5v of node02 is bad")
		is(t, "supply", k.health("under_voltage"), "warning: node02 is short of voltage, by its firmware")
		is(t, "witness", k.health("mains_disputed"), "warning: witness opto says that mains is away, and the UPS is on mains")
		is(t, "told", k.story("part_back"))
	})
}

func TestAWitnessThatFellSilentDisputesNothing(t *testing.T) {
	rackDesk(t, func(k *desk, _ *board, _ *heard) {
		k.power(false)
		k.sense(drivers.Witness{Name: "opto", Mains: new(true)})
		time.Sleep(10 * time.Minute)
		for range 3 {
			k.power(true)
			time.Sleep(20 * time.Second)
		}
		is(t, "health", k.health("mains_disputed"))
	})
}

func TestAnOutputThatIsNotAsItWasSetIsAProblem(t *testing.T) {
	rackDesk(t, func(k *desk, _ *board, _ *heard) {
		k.sense(drivers.Output{Name: "fan-relay", On: new(true)})
		for range 3 {
			k.sense(drivers.Output{Name: "fan-relay", On: new(true), Fault: "it was set off and reads on"})
		}
		is(t, "health", k.health("output_wrong"), "warning: output fan-relay of the rack is wrong: it was set off and reads on")
		is(t, "told", k.story("output_wrong"), "output_wrong: Output fan-relay of the rack is wrong: it was set off and reads on.")
		time.Sleep(3 * time.Minute)
		k.sense(drivers.Output{Name: "fan-relay"})
		is(t, "health, of one that says nothing", k.health("output_wrong"), "warning: output fan-relay of the rack is wrong: it was set off and reads on")
		k.sense(drivers.Output{Name: "fan-relay", On: new(false)})
		time.Sleep(31 * time.Second)
		k.sense(drivers.Output{Name: "fan-relay", On: new(false)})
		is(t, "health, mended", k.health("output_wrong"))
	})
}

func TestARailIsToldWithItsVoltageAndAgainWhenItBecomesCritical(t *testing.T) {
	rackDesk(t, func(k *desk, _ *board, _ *heard) {
		rail := func(v drivers.Volt, l drivers.Level) {
			k.hear("node02", drivers.Rail{Name: "EXT5V", Volts: &v, Level: l})
		}
		rail(5.02, drivers.OK)
		rail(4.78, drivers.Warning)
		rail(4.77, drivers.Warning)
		rail(4.66, drivers.Critical)
		is(t, "health", k.health("rail_low"), "critical: rail EXT5V of node02 is at 4.66 V")
		is(t, "told", k.story("rail_low"), "rail_low: Rail EXT5V of node02 is at 4.78 V.", "rail_low: Rail EXT5V of node02 is at 4.66 V.")
		if r := k.Snapshot().Nodes[1].Rails; len(r) != 1 || float64(*r[0].Volts) != 4.66 {
			t.Errorf("rails of node02: %+v", r)
		}
	})
}

func TestANodeThatHeatsUpUnderAStalledFanIsHotToThePolicy(t *testing.T) {
	rackDesk(t, func(k *desk, b *board, _ *heard) {
		heat := func(c drivers.Celsius) { k.hear("node02", drivers.Node{Temperature: &c}) }
		heat(85)
		is(t, "hot, with its fan turning", k.health("node_hot"))
		k.sense(drivers.Fan{Name: "top", State: drivers.FanStalled})
		heat(85)
		is(t, "hot", k.health("node_hot"), "critical: node02 is at 85.0 °C, and fan top stands still")
		if !k.state.Seen.Nodes["node02"].Hot {
			t.Error("the policy does not know")
		}
		k.hear("node02", drivers.Node{})
		is(t, "hot, and its temperature is not known any more", k.health("node_hot"), "critical: node02 is at 85.0 °C, and fan top stands still")
		if !k.state.Seen.Nodes["node02"].Hot {
			t.Error("the policy takes it for cool")
		}
		heat(60)
		if k.state.Seen.Nodes["node02"].Hot {
			t.Error("the policy does not know that it is cool again")
		}
	})
}

func TestWhatAMeterSaysIsTheLoadOrANodesDraw(t *testing.T) {
	rackDesk(t, func(k *desk, b *board, _ *heard) {
		k.power(false)
		k.sense(drivers.Meter{Name: "outlets", Watts: new(drivers.Watt(47.5)), Method: "measured AC"})
		k.sense(drivers.Meter{Name: "m2", Watts: new(drivers.Watt(7.25)), Method: "measured DC"})
		k.sense(drivers.Meter{Name: "lamp", Watts: new(drivers.Watt(60)), Method: "measured AC"})
		k.sense(drivers.Meter{Name: "outlets", Method: "measured AC"}) // it did not say this time
		if got := policy.Load(k.c.Rules, k.state); got.Watts != 47.5 || got.Method != "meter outlets, measured AC" {
			t.Errorf("the load is %+v", got)
		}
		if d := k.state.Seen.Nodes["node02"].Drawn; d == nil || d.Watts != 7.25 {
			t.Errorf("node02 draws %+v", d)
		}
		is(t, "health", k.health("meter"))
		time.Sleep(3 * time.Minute)
		k.publishNow()
		for _, m := range k.Snapshot().Meters {
			if m.Watts != nil {
				t.Errorf("three minutes later meter %s still says %v", m.Name, *m.Watts)
			}
		}
		const nothing = ", by which a load is measured, tells nothing: the load is reckoned without it"
		is(t, "health, three minutes later", k.health("meter"), "warning: meter m2"+nothing, "warning: meter outlets"+nothing)
		k.sense(drivers.Meter{Name: "outlets", Watts: new(drivers.Watt(47.5)), Method: "measured AC"})
		is(t, "health, when one tells again", k.health("meter"), "warning: meter m2"+nothing)
	})
}

func TestADrawThatNothingMeasuredIsNotTakenForOneThatWas(t *testing.T) {
	rackDesk(t, func(k *desk, _ *board, _ *heard) {
		k.hear("node01", drivers.Node{Draw: new(drivers.Watt(6.3)), Method: drivers.ByTable})
		if d := k.state.Seen.Nodes["node01"].Drawn; d != nil {
			t.Errorf("the table's draw was taken: %+v", d)
		}
		k.hear("node01", drivers.Node{Draw: new(drivers.Watt(4.1)), Method: "PMIC estimate"})
		if d := k.state.Seen.Nodes["node01"].Drawn; d == nil || d.Watts != 4.1 {
			t.Errorf("the estimate was not taken: %+v", d)
		}
	})
}

func TestAWitnessThatDisagreesRaisesAnAlarmAndStopsNothing(t *testing.T) {
	rackDesk(t, func(k *desk, b *board, _ *heard) {
		k.power(false)
		away := drivers.Witness{Name: "opto", Mains: new(false)}
		k.sense(away)
		is(t, "at once", k.health("mains_disputed"))
		time.Sleep(20 * time.Second)
		k.sense(away)
		is(t, "after a while", k.health("mains_disputed"), "warning: witness opto says that mains is away, and the UPS is on mains")
		if p := k.state.Phase; p != policy.Mains {
			t.Errorf("phase %s", p)
		}
		k.power(true)
		if k.state.Phase != policy.Riding {
			t.Error("the UPS and the witness agree, and nothing is decided")
		}
		k.power(false)
		k.take(context.Background(), contact{"main", errors.New("unplugged")})
		k.sense(away)
		time.Sleep(20 * time.Second)
		k.sense(away)
		is(t, "without the UPS", k.health("mains_disputed"), "critical: witness opto says that mains is away, and the UPS does not answer: that alone stops nothing")
	})
}

func TestANodeIsWokenByWhatIsConfigured(t *testing.T) {
	rackDesk(t, func(k *desk, b *board, h *heard) {
		for _, c := range []struct{ node, want string }{
			{"node02", ""}, {"node03", "power3 off, power3 on"},
		} {
			if err := k.do(context.Background(), policy.Effect{Kind: policy.DoWake, Node: c.node}, time.Minute, nil); err != nil {
				t.Errorf("waking %s: %v", c.node, err)
			}
			if got := b.all(); got != c.want {
				t.Errorf("waking %s: outputs were told %q, want %q", c.node, got, c.want)
			}
		}
		err := k.do(context.Background(), policy.Effect{Kind: policy.DoWake, Node: "node04"}, time.Minute, nil)
		if err == nil || err.Error() != "waking node04: nothing is configured that could" {
			t.Errorf("waking node04: %v", err)
		}
		if len(h.orders) != 1 || h.orders[0].Outage != "node01" || h.orders[0].Verb != link.PulseOutput || string(h.orders[0].Args) != `{"sensor":"pins","output":"wake2","for_ms":500}` {
			t.Errorf("orders: %+v", h.orders)
		}
	})
}

func TestANodeIsHaltedForItsClockOnlyWhereItHasOne(t *testing.T) {
	rackDesk(t, func(k *desk, _ *board, h *heard) {
		wake := func() string { return k.c.Rules.Nodes[3].Wake }
		k.take(context.Background(), peerIn{peer: link.Peer{Node: "node04", BootID: "1"}})
		is(t, "without a clock", k.health("wake"), "warning: node04 has no clock that could start it: it is left idle where it would be switched off")
		if wake() != "ups" {
			t.Errorf("the policy takes it to be woken by %s", wake())
		}
		k.take(context.Background(), peerIn{peer: link.Peer{Node: "node04", BootID: "2", Clock: true}})
		is(t, "with one", k.health("wake"))
		if wake() != "rtc" {
			t.Errorf("the policy takes it to be woken by %s", wake())
		}
		if err := k.do(context.Background(), policy.Effect{Kind: policy.DoHalt, Node: "node04", Delay: 10 * time.Minute}, time.Minute, nil); err != nil {
			t.Error(err)
		}
		var args link.HaltArgs
		if err := json.Unmarshal(h.orders[0].Args, &args); err != nil || args.WakeAfterMS != 600000 {
			t.Errorf("the order to halt says %s", h.orders[0].Args)
		}
	})
}

func TestASensorOfANodeThatIsSilentIsAProblemUntilItAnswers(t *testing.T) {
	rackDesk(t, func(k *desk, _ *board, _ *heard) {
		for range 3 {
			k.hear("node02", drivers.Silent{Name: "pins", Why: "no such chip"})
		}
		k.hear("node01", drivers.Silent{Name: "pins", Why: "no permission"})
		is(t, "health", k.health("sensor"), "warning: sensor pins of node01 does not answer: no permission", "warning: sensor pins of node02 does not answer: no such chip")
		k.hear("node02", drivers.Silent{Name: "pins"})
		is(t, "health, when it answers", k.health("sensor"), "warning: sensor pins of node01 does not answer: no permission")
		k.take(context.Background(), peerIn{peer: link.Peer{Node: "node01"}})
		is(t, "health, of a node that has not told of it since it connected", k.health("sensor"))
	})
}

func TestASensorThatIsLostIsAProblemUntilItAnswers(t *testing.T) {
	rackDesk(t, func(k *desk, b *board, _ *heard) {
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { k.Run(ctx) })
		problems := func() (all []string) {
			time.Sleep(6 * time.Second)
			synctest.Wait()
			for _, p := range k.Snapshot().Health {
				if p.Code == "sensor" {
					all = append(all, p.Severity+": "+p.Text)
				}
			}
			return all
		}
		is(t, "lost", problems(), "warning: sensor pins does not answer: no such chip")
		b.answers <- drivers.Fan{Name: "top", State: drivers.FanRunning}
		is(t, "back", problems())
		cancel()
		running.Wait()
	})
}
