//go:build !node

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"lastwatt/clock"
	"lastwatt/mqtt"
	"lastwatt/policy"
	"lastwatt/rack"
	"lastwatt/sim"
)

// leastBeat is the shortest wait of the demo, however fast it runs: waits for
// the network stay real.
const leastBeat = 50 * time.Millisecond

func demo(ctx context.Context, e env, args []string) int {
	f := flags(e, "demo")
	outage := f.Duration("outage", 20*time.Minute, "how long mains stays away")
	speed := f.Float64("speed", 60, "how many times as fast as real time, 1 to 600")
	asJSON := f.Bool("json", false, "one event a line, and a report as the last one")
	hold := f.Bool("hold", false, "no outage of its own: keep running, and let \"lastwatt demo mains off|on\" switch mains")
	verbose := f.Bool("log", false, "print the logs of the controller and the agents too")
	operands, status := parse(f, args)
	if status >= 0 {
		return status
	}
	if len(operands) > 0 {
		return demoMains(ctx, e, operands)
	}
	if *speed < 1 || *speed > 600 || *outage <= 0 {
		return fail(e, exitUsage, fmt.Errorf("demo: want a speed of 1 to 600 and an outage above 0s (got %g, %s)", *speed, *outage))
	}
	log := slog.New(slog.DiscardHandler)
	if *verbose {
		log = slog.New(slog.NewTextHandler(e.err, nil))
	}
	d := &demoRun{e: e, json: *asJSON, hold: *hold, outage: *outage, speed: *speed, log: log, clock: clock.Scaled(*speed, leastBeat)}
	err := d.run(ctx)
	switch {
	case errors.Is(err, errNotRestored):
		return exitFailed
	case err != nil && ctx.Err() == nil:
		return fail(e, exitFailed, err)
	}
	return exitOK
}

var errNotRestored = errors.New("not everything was restored")

// demoRun is one run of the demo.
type demoRun struct {
	e      env
	json   bool
	hold   bool
	outage time.Duration
	speed  float64
	log    *slog.Logger
	clock  clock.Clock
	dir    string
	rack   *sim.Rack

	began    time.Time // on the demo's clock
	agents   string    // address of the controller for the agents
	broker   string    // host:port
	machines *machines

	mu     sync.Mutex
	events []rack.Event
	line   string
	wake   chan struct{}
}

func (d *demoRun) run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "lastwatt-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d.dir, d.began, d.wake = dir, d.clock.Now(), make(chan struct{}, 1)
	d.rack = sim.NewRack(demoRack(), d.clock)
	ctx, cancel := context.WithCancel(ctx)
	var parts sync.WaitGroup
	defer parts.Wait()
	defer cancel()

	broker, err := demoBroker(d.log)
	if err != nil {
		return err
	}
	d.broker = broker.Addr().String()
	parts.Go(func() { broker.Run(ctx) })
	if d.agents, err = freeAddress(); err != nil {
		return err
	}
	ups, err := net.Listen("unix", filepath.Join(dir, "ups.sock"))
	if err != nil {
		return err
	}
	parts.Go(func() {
		sim.Serve(ctx, ups, d.rack.UPS, func() <-chan time.Time { return d.clock.After(5 * time.Second) }, d.rack.Facts)
	})
	if d.machines, err = newMachines(d); err != nil {
		return err
	}
	parts.Go(func() { d.rack.Run(ctx, func(p sim.Power) { d.machines.power(ctx, p) }); d.machines.stop() })
	switching, err := d.serveMains(ctx)
	if err != nil {
		return err
	}
	parts.Go(switching)
	d.hello()
	if err := d.ready(ctx); err != nil {
		return err
	}
	if d.hold {
		d.say("It keeps running until interrupted. \"lastwatt demo mains off\" and \"... on\" switch mains.")
		return d.watch(ctx, func() bool { return false })
	}
	return d.play(ctx)
}

// demoRack is the reference rack with a battery that is old enough for the
// demo's outage to be too long for it.
func demoRack() sim.RackParams {
	p := sim.Reference()
	p.UPS.Battery.CapacityWh, p.UPS.Battery.Health, p.UPS.Battery.Wh = 50, 0.48, 24
	return p
}

// demoBroker listens where people look for a broker, or anywhere.
func demoBroker(log *slog.Logger) (*mqtt.Broker, error) {
	b, err := mqtt.NewBroker(mqtt.BrokerConfig{Addr: "127.0.0.1:1883"}, log)
	if err != nil {
		return mqtt.NewBroker(mqtt.BrokerConfig{Addr: "127.0.0.1:0"}, log)
	}
	return b, nil
}

func freeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

// ready waits until every node has an agent and the Swarm was seen.
func (d *demoRun) ready(ctx context.Context) error {
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	for {
		s, ok := d.snapshot()
		here := 0
		for _, n := range s.Nodes {
			if n.Connected {
				here++
			}
		}
		if ok && here == len(d.rack.Nodes) && s.Swarm.Quorum && s.UPS[0].Known {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			return fmt.Errorf("the simulated rack did not start: %d of %d agents, Swarm quorum %v: run it with --log to see why", here, len(d.rack.Nodes), s.Swarm.Quorum)
		case <-time.After(leastBeat):
		}
	}
}

// play runs one outage to its end.
func (d *demoRun) play(ctx context.Context) error {
	if err := d.wait(ctx, 30*time.Second); err != nil {
		return err
	}
	d.rack.UPS.SetMains(false)
	off := d.clock.Now()
	d.mark("Mains is switched off.")
	err := d.watch(ctx, func() bool { return d.clock.Now().Sub(off) >= d.outage })
	if err != nil {
		return err
	}
	d.rack.UPS.SetMains(true)
	d.mark("Mains is switched on.")
	limit := d.clock.Now().Add(6 * time.Hour)
	err = d.watch(ctx, func() bool { return d.over() || d.clock.Now().After(limit) })
	if err != nil {
		return err
	}
	return d.report()
}

// over is whether the outage is done with and every service runs.
func (d *demoRun) over() bool {
	s, ok := d.snapshot()
	if !ok || s.Phase != string(policy.Mains) || s.Last == nil {
		return false
	}
	return d.restored(s)
}

func (d *demoRun) restored(s rack.Snapshot) bool {
	for _, n := range s.Nodes {
		if !n.Connected || n.State != "up" || n.Availability != "active" {
			return false
		}
	}
	for _, v := range s.Swarm.Services {
		if v.Running < v.Desired || v.Desired == 0 {
			return false
		}
	}
	return len(s.Swarm.Services) > 0
}

// wait lets the demo's time pass.
func (d *demoRun) wait(ctx context.Context, t time.Duration) error {
	end := d.clock.Now().Add(t)
	return d.watch(ctx, func() bool { return !d.clock.Now().Before(end) })
}

// watch shows what happens until done.
func (d *demoRun) watch(ctx context.Context, done func() bool) error {
	for !done() {
		d.flush()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-d.wake:
		case <-time.After(100 * time.Millisecond):
		}
	}
	d.flush()
	return nil
}

// snapshot is what the controller says; false while it is down.
func (d *demoRun) snapshot() (rack.Snapshot, bool) {
	c := d.machines.controller()
	if c == nil {
		return rack.Snapshot{}, false
	}
	return c.Snapshot(), true
}

// tell takes a line of the story; the controller's loop calls it, and others.
func (d *demoRun) tell(e rack.Event) {
	d.mu.Lock()
	d.events = append(d.events, e)
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

func (d *demoRun) flush() {
	d.mu.Lock()
	events := d.events
	d.events = nil
	d.mu.Unlock()
	for _, e := range events {
		if d.json {
			d.printLine(struct {
				T float64 `json:"t_s"`
				rack.Event
			}{d.elapsed().Seconds(), e})
			continue
		}
		d.erase()
		fmt.Fprintf(d.e.out, "%s  %s\n", clockTime(d.elapsed()), e.Text)
	}
	if !d.json && d.e.live {
		d.live()
	}
}

func (d *demoRun) elapsed() time.Duration { return d.clock.Now().Sub(d.began) }

func (d *demoRun) printLine(v any) {
	data, err := json.Marshal(v)
	if err == nil {
		fmt.Fprintf(d.e.out, "%s\n", data)
	}
}

// live redraws the one line at the bottom: what is and what comes next.
func (d *demoRun) live() {
	s, ok := d.snapshot()
	line := "the controller is down with its node"
	if ok {
		line = s.Summary
		if len(s.Plan.Steps) > 0 && s.Outage != nil {
			line += fmt.Sprintf(" | next in %s: %s %s", clockTime(s.Plan.Steps[0].In), s.Plan.Steps[0].What, s.Plan.Steps[0].Node)
		}
	}
	up := 0
	for _, n := range d.rack.Nodes {
		if n.Serves() {
			up++
		}
	}
	line = fmt.Sprintf("%s  [%s, %d/4 nodes, web %d/4, %.0f W] %s", clockTime(d.elapsed()), mainsWord(d.rack.UPS.Mains()), up, d.rack.Swarm.Running("web"), float64(d.rack.Load()), line)
	d.erase()
	d.line = line
	fmt.Fprint(d.e.out, line)
}

func (d *demoRun) erase() {
	if d.line != "" {
		fmt.Fprint(d.e.out, "\r\x1b[2K")
		d.line = ""
	}
}

func mainsWord(on bool) string {
	if on {
		return "mains"
	}
	return "NO MAINS"
}

func (d *demoRun) say(text string) {
	if !d.json {
		d.erase()
		fmt.Fprintln(d.e.out, text)
	}
}

// mark puts what the demo itself does among the events; any goroutine may call it.
func (d *demoRun) mark(text string) {
	d.tell(rack.Event{Kind: "demo", At: time.Now(), Severity: "info", Text: "*** " + text})
}

func (d *demoRun) hello() {
	_, port, _ := net.SplitHostPort(d.broker)
	d.say(fmt.Sprintf(`A simulated rack: four nodes, a Swarm with a web site, a UPS whose battery is half worn out.
The controller, the agents (TLS on loopback) and the MQTT broker are real; time runs %g times as fast.

  in another terminal:  lastwatt status --socket %s
                        mosquitto_sub -p %s -v -t 'lastwatt/#'
`, d.speed, d.socket(), port))
}

func (d *demoRun) socket() string { return filepath.Join(d.dir, "control.sock") }

// mainsSocket is where "lastwatt demo mains" finds the demo of this user.
func mainsSocket() string {
	return filepath.Join(os.TempDir(), "lastwatt-demo-"+strconv.Itoa(os.Getuid())+".sock")
}

// serveMains opens the switch of "lastwatt demo mains".
func (d *demoRun) serveMains(ctx context.Context) (func(), error) {
	if conn, err := net.Dial("unix", mainsSocket()); err == nil {
		conn.Close()
		return func() {}, nil // another demo has it
	}
	os.Remove(mainsSocket())
	ln, err := net.Listen("unix", mainsSocket())
	if err != nil {
		return nil, fmt.Errorf("open the switch of mains: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /mains/{state}", func(w http.ResponseWriter, r *http.Request) {
		on := r.PathValue("state") == "on"
		d.rack.UPS.SetMains(on)
		d.mark("Mains is switched " + r.PathValue("state") + ".")
		io.WriteString(w, "{}")
	})
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	return func() {
		stop := context.AfterFunc(ctx, func() { srv.Close() })
		defer stop()
		srv.Serve(ln)
	}, nil
}

func demoMains(ctx context.Context, e env, operands []string) int {
	if len(operands) != 2 || operands[0] != "mains" || operands[1] != "on" && operands[1] != "off" {
		return fail(e, exitUsage, errors.New("demo: want \"lastwatt demo\", or \"lastwatt demo mains off|on\" while one runs"))
	}
	if err := call(ctx, mainsSocket(), http.MethodPost, "/mains/"+operands[1], nil, nil); err != nil {
		if errors.Is(err, errNoDaemon) {
			return fail(e, exitAbsent, errors.New("no demo runs: start one with \"lastwatt demo --hold\""))
		}
		return explain(e, err)
	}
	fmt.Fprintf(e.out, "mains is %s\n", operands[1])
	return exitOK
}
