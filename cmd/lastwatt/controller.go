//go:build !node

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"

	"lastwatt/alert"
	"lastwatt/clock"
	"lastwatt/config"
	"lastwatt/controller"
	"lastwatt/drivers"
	"lastwatt/drivers/all"
	"lastwatt/link"
	"lastwatt/mqtt"
	"lastwatt/rack"
	"lastwatt/store"
)

// forNodes is whether the commands controller and demo were left out of the build.
const forNodes = false

func controllerCommand(ctx context.Context, e env, args []string) int {
	f := flags(e, "controller")
	path := f.String("config", config.DefaultPath, "the configuration")
	if _, status := parse(f, args); status >= 0 {
		return status
	}
	cfg, err := config.Load(*path, all.Kinds())
	if err != nil {
		return fail(e, exitConfig, err)
	}
	h := hostOf{Clock: clock.Real(), BootID: clock.BootID(), Log: slog.New(slog.NewTextHandler(e.err, nil))}
	h.Notify = func(state string) { daemon.SdNotify(false, state) }
	h.Watchdog, _ = daemon.SdWatchdogEnabled(false)
	if err := runController(ctx, cfg, h); err != nil && !errors.Is(err, context.Canceled) {
		return fail(e, exitFailed, err)
	}
	return exitOK
}

// hostOf is what a controller has of the machine it runs on; the demo has its
// own.
type hostOf struct {
	Clock    clock.Clock
	BootID   string
	Log      *slog.Logger
	Notify   func(string)
	Watchdog time.Duration
	Tell     func(rack.Event)                           // beside MQTT and alerts; may be nil
	Ready    func(*controller.Controller, *link.Server) // may be nil
}

// runController wires a controller and runs it until ctx ends.
func runController(ctx context.Context, cfg config.Config, h hostOf) error {
	st, err := store.Open(filepath.Join(cfg.Controller.StateDir, "lastwatt.db"))
	if err != nil {
		return err
	}
	defer st.Close()
	if st.SetAside != "" {
		h.Log.Error("the store was damaged and is begun anew", "kept", st.SetAside)
	}
	ca, err := link.OpenCA(filepath.Join(cfg.Controller.StateDir, "ca"), cfg.Site)
	if err != nil {
		return err
	}
	agents, err := net.Listen("tcp", cfg.Controller.Listen)
	if err != nil {
		return fmt.Errorf("listen for agents: %w", err)
	}
	control, err := controller.Listen(cfg.Controller.ControlSocket)
	if err != nil {
		agents.Close()
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	tell, show := outputs(ctx, g, cfg, h)
	rules := cfg.Rules()
	cc := controller.Config{Site: cfg.Site, Rules: rules, Journal: st, Clock: h.Clock, BootID: h.BootID, Log: h.Log,
		Tell: tell, Notify: h.Notify, Watchdog: h.Watchdog, Models: map[string]string{}}
	for _, n := range cfg.Nodes {
		cc.Models[n.Name] = n.Model
	}
	kinds := all.Kinds() // once: a line that several devices hang on is shared
	if cc.UPS, err = openDrivers(cfg, kinds, h); err != nil {
		return err
	}
	if cc.Sensors, err = openSensors(cfg, kinds, h); err != nil {
		return err
	}
	wire(&cc, cfg)
	server := &lateServer{}
	cc.Agents = server
	ctl := controller.New(cc)
	server.Server = link.NewServer(link.ServerConfig{CA: ca, Handler: ctl, Lease: ctl.LeaseFor, Tokens: st, Advertise: advertise(cfg.Controller), Clock: h.Clock, Log: h.Log})
	g.Go(func() error { return ctl.Run(ctx) })
	g.Go(func() error { return server.Serve(ctx, agents) })
	g.Go(func() error {
		return (&controller.Control{Controller: ctl, Tokens: server, Log: h.Log}).Serve(ctx, control)
	})
	g.Go(func() error {
		_, changed, cancel := ctl.Subscribe()
		defer cancel()
		for {
			select {
			case <-changed:
				show(ctl.Snapshot())
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	if h.Ready != nil {
		h.Ready(ctl, server.Server)
	}
	return g.Wait()
}

// lateServer is the link's server, which needs the controller before the
// controller can have it.
type lateServer struct{ *link.Server }

// outputs starts MQTT and the alerts. What is wrong with them is said and never
// keeps the controller from doing its work.
func outputs(ctx context.Context, g *errgroup.Group, cfg config.Config, h hostOf) (tell func(rack.Event), show func(rack.Snapshot)) {
	tells, shows := []func(rack.Event){}, []func(rack.Snapshot){}
	if h.Tell != nil {
		tells = append(tells, h.Tell)
	}
	if m := cfg.MQTT; m != nil {
		client, err := startMQTT(ctx, g, cfg.Site, *m, h.Log)
		if err != nil {
			h.Log.Error("no MQTT", "err", err)
		} else {
			tells, shows = append(tells, client.Event), append(shows, client.Publish)
		}
	}
	var targets []alert.Target
	for _, a := range cfg.Alerts {
		targets = append(targets, alert.Target{Name: a.Name, URLFile: a.URLFile, From: a.From})
	}
	if len(targets) > 0 {
		sender, err := alert.New(targets, h.Clock, h.Log)
		if err != nil {
			h.Log.Error("no alerts", "err", err)
		} else {
			g.Go(func() error { return sender.Run(ctx) })
			tells = append(tells, sender.Send)
		}
	}
	return func(e rack.Event) {
			for _, f := range tells {
				f(e)
			}
		}, func(s rack.Snapshot) {
			for _, f := range shows {
				f(s)
			}
		}
}

func startMQTT(ctx context.Context, g *errgroup.Group, site string, m config.MQTT, log *slog.Logger) (*mqtt.Client, error) {
	url := m.Broker
	if m.Broker == "embedded" {
		b, err := mqtt.NewBroker(mqtt.BrokerConfig{Addr: m.Listen}, log)
		if err != nil {
			return nil, err
		}
		g.Go(func() error { return b.Run(ctx) })
		url = "tcp://" + b.Addr().String()
	}
	client, err := mqtt.NewClient(mqtt.Config{Broker: url, User: m.User, PasswordFile: m.PasswordFile, CAFile: m.CAFile,
		CertFile: m.CertFile, KeyFile: m.KeyFile, Prefix: m.Prefix, DiscoveryPrefix: m.DiscoveryPrefix, Site: site}, log)
	if err != nil {
		return nil, err
	}
	g.Go(func() error { return client.Run(ctx) })
	return client, nil
}

// wire tells the controller which meters and outputs belong to what.
func wire(cc *controller.Config, cfg config.Config) {
	cc.Wakers, cc.NodeMeters = map[string]controller.Waker{}, map[string]string{}
	for _, u := range cfg.UPS {
		if u.Name == cc.Rules.UPS.Name {
			cc.Meter = u.Meter
		}
	}
	for _, n := range cfg.Nodes {
		if n.Waker != nil {
			cc.Wakers[n.Name] = controller.Waker{Node: n.Waker.Node, Sensor: n.Waker.Sensor, Output: n.Waker.Output}
		}
		if n.Meter != "" {
			cc.NodeMeters[n.Meter] = n.Name
		}
	}
}

func openSensors(cfg config.Config, kinds []drivers.Kind, h hostOf) ([]controller.Sensor, error) {
	var list []controller.Sensor
	for _, s := range cfg.Sensors {
		d, err := openSensor(s, kinds, h.Clock, h.Log)
		if err != nil {
			return nil, err
		}
		list = append(list, controller.Sensor{Name: s.Name, Driver: d})
	}
	return list, nil
}

func openDrivers(cfg config.Config, kinds []drivers.Kind, h hostOf) ([]controller.UPS, error) {
	var list []controller.UPS
	for _, u := range cfg.UPS {
		kind, err := drivers.Find(kinds, u.Driver)
		if err != nil {
			return nil, err
		}
		d, err := kind.New(u.Decode, drivers.Options{Name: u.Name, Log: h.Log.With("device", u.Name), Now: h.Clock.Now, After: h.Clock.After})
		if err != nil {
			return nil, fmt.Errorf("ups %q: %w", u.Name, err)
		}
		list = append(list, controller.UPS{Name: u.Name, Kind: u.Driver, Feeds: u.Feeds, Driver: d})
	}
	return list, nil
}

// advertise is the address that tokens name: what the configuration says, or
// this machine's name.
func advertise(c config.Controller) string {
	if c.Advertise != "" {
		return c.Advertise
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return c.Listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		if name, err := os.Hostname(); err == nil {
			host = name
		}
	}
	return net.JoinHostPort(host, port)
}
