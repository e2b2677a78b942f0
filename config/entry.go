package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"lastwatt/drivers"
)

// A Sensor is one entry of sensors: a driver of something that is no UPS.
type Sensor struct {
	Name, Driver string
	// Decode is for drivers.Kind.New.
	Decode func(into any) error
	driver drivers.Driver // nil where it could not be made
}

// A safe is a driver with outputs: it says what each is while nobody switches it,
// on, off, or keep, which leaves it as it is.
type safe interface{ Safe() map[string]string }

// A lined is a driver whose line others may share, if they want it opened as it does.
type lined interface{ Line() (line, how string) }

// shared holds a driver's line against those of the drivers before it; at is its
// section.
func (c *checker) shared(at []any, d drivers.Driver) {
	l, ok := d.(lined)
	if !ok {
		return
	}
	line, how := l.Line()
	if first, there := c.lines[line]; !there {
		if c.lines == nil {
			c.lines = map[string][2]string{}
		}
		c.lines[line] = [2]string{fmt.Sprintf("%s[%d]", at...), how}
	} else if first[1] != how {
		c.wrong(at, "%s has %s as %s: entries of one line need the same (got %s)", first[0], line, first[1], how)
	}
}

// sensorPart are the keys of a sensors entry that every driver has.
type sensorPart struct {
	Name   string `yaml:"name"`
	Driver string `yaml:"driver"`
}

// sensors reads the list sensors.
func (c *checker) sensors(list []yaml.Node) []Sensor {
	var all []Sensor
	for i := range list {
		at := path("sensors", i)
		var part sensorPart
		decode, ok := c.entry(at, &list[i], &part, "want a section such as {name: fans, driver: gpio}")
		if !ok {
			continue
		}
		if part.Name == "" {
			c.wrong(at, "no name: give it one, such as name: fans")
		}
		if slices.ContainsFunc(all, func(o Sensor) bool { return o.Name == part.Name }) {
			c.wrong(append(at, "name"), "there are two sensors called %q: give each a name of its own", part.Name)
		}
		d := c.driver(at, part.Name, part.Driver, decode, func(k drivers.Kind) string {
			if !k.Sensor {
				return fmt.Sprintf("the driver %s reads UPSes only: list it under ups:", k.Name)
			}
			return ""
		})
		if _, ups := d.(drivers.Commander); ups {
			c.wrong(at, "it reads a UPS: list it under ups:")
		}
		all = append(all, Sensor{Name: part.Name, Driver: part.Driver, Decode: decode, driver: d})
	}
	return all
}

// wakers holds each node's waker against what there is.
func (c *checker) wakers(cfg Config) {
	for _, n := range cfg.Nodes {
		w, at := n.Waker, path("nodes", n.Name, "waker")
		if w == nil {
			continue
		}
		switch {
		case n.Wake != "gpio" && n.Wake != "relay":
			c.wrong(at, "a node with wake: %s has no waker: write wake: gpio or wake: relay, or remove it", n.Wake)
		case w.Sensor == "" || w.Output == "":
			c.wrong(at, "want the sensor and its output that start the node, such as {sensor: relays, output: %s}", n.Name)
		case w.Node == n.Name:
			c.wrong(append(at, "node"), "%s cannot start itself: name another node, or none for the controller's machine", n.Name)
		case w.Node != "" && !slices.ContainsFunc(cfg.Nodes, func(o Node) bool { return o.Name == w.Node }):
			c.wrong(append(at, "node"), "%q is no node of nodes: (left out, it is the controller's own machine)", w.Node)
		case w.Node == "" && !slices.ContainsFunc(cfg.Sensors, func(s Sensor) bool { return s.Name == w.Sensor }):
			c.wrong(append(at, "sensor"), "%q is no sensor of sensors: (with node: it is one of that node's own configuration)", w.Sensor)
		case w.Node == "":
			i := slices.IndexFunc(cfg.Sensors, func(s Sensor) bool { return s.Name == w.Sensor })
			c.waker(at, n, cfg.Sensors[i].driver)
		}
	}
}

// waker holds a node's waker against the driver that has its output. What takes a
// node's power away to start it has to leave that on at all other times, also where it
// is stopped in between.
func (c *checker) waker(at []any, n Node, d drivers.Driver) {
	if d == nil {
		return
	}
	w := n.Waker
	has, ok := d.(safe)
	if !ok || len(has.Safe()) == 0 {
		c.wrong(append(at, "sensor"), "%s has no outputs: name a sensor that has", w.Sensor)
		return
	}
	switch is, ok := has.Safe()[w.Output]; {
	case !ok:
		c.wrong(append(at, "output"), "%q is no output of %s: want one of %s", w.Output, w.Sensor, strings.Join(slices.Sorted(maps.Keys(has.Safe())), ", "))
	case n.Wake == "relay" && is != "on":
		c.wrong(at, "output %q of %s has safe: %s: %s would lose its power, or stay without, when that driver stops; write safe: on"+
			" (with inverted: true, or active_low, if the node hangs on a contact that is closed without current)", w.Output, w.Sensor, is, n.Name)
	case n.Wake == "gpio" && is != "off":
		c.wrong(at, "output %q of %s has safe: %s: the pin of %s would be held when that driver stops; write safe: off", w.Output, w.Sensor, is, n.Name)
	}
}

// entry reads those keys of a driver's section that part has, and returns how to
// read the others, which are the driver's own.
func (c *checker) entry(at []any, n *yaml.Node, part any, want string) (decode func(into any) error, ok bool) {
	if n.Kind != yaml.MappingNode {
		c.wrong(at, "%s", want)
		return nil, false
	}
	shared, rest := *n, *n
	shared.Content, rest.Content = nil, nil
	known := keysOf(part)
	for k := 0; k+1 < len(n.Content); k += 2 {
		to := &rest
		if slices.Contains(known, n.Content[k].Value) {
			to = &shared
		}
		to.Content = append(to.Content, n.Content[k], n.Content[k+1])
	}
	before := len(c.problems)
	c.take(shared.Load(part, yaml.WithKnownFields()), part)
	return func(into any) error { return rest.Load(into, yaml.WithKnownFields()) }, len(c.problems) == before
}

// driver holds a section against its driver, and returns that, or nil where
// something is wrong; unfit says why such a driver must not stand there, or nothing.
func (c *checker) driver(at []any, name, driver string, decode func(into any) error, unfit func(drivers.Kind) string) drivers.Driver {
	kind, err := drivers.Find(c.kinds, driver)
	if err != nil {
		var fit []string
		for _, k := range c.kinds {
			if unfit(k) == "" {
				fit = append(fit, k.Name)
			}
		}
		if driver == "" {
			c.wrong(at, "no driver: add driver: and one of %s", strings.Join(fit, ", "))
		} else {
			c.wrong(append(at, "driver"), "there is no driver %q: want one of %s", driver, strings.Join(fit, ", "))
		}
		return nil
	}
	if why := unfit(kind); why != "" {
		c.wrong(append(at, "driver"), "%s", why)
		return nil
	}
	section := fmt.Sprintf("%s[%d]", at...)
	all := len(c.problems)
	d, err := kind.New(func(into any) error {
		before := len(c.problems)
		c.take(decode(into), into)
		for k := before; k < len(c.problems); k++ {
			if c.problems[k].Key == "" {
				c.problems[k].Key = section
			}
			if strings.HasPrefix(c.problems[k].Text, "unknown key") {
				c.problems[k].Text = strings.TrimSuffix(c.problems[k].Text, c.everyKey()) + fmt.Sprintf("; the driver %s has %s", driver, strings.Join(keysOf(into), ", "))
			}
		}
		return nil
	}, drivers.Options{Name: name, Now: time.Now, After: time.After})
	if err != nil && len(c.problems) == all { // what is wrong already may be why
		c.wrong(at, "%v", err)
	}
	if err != nil || len(c.problems) > all {
		return nil
	}
	c.shared(at, d)
	return d
}
