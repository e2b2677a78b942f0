//go:build twin

package twin

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"lastwatt/rack"
)

const controllerYAML = `
site: twin
ups:
  - {name: main, driver: sim, address: "tcp:10.77.0.1:18840", feeds: [node01, node02, node03, node04], cut: true, cuts_on_mains: true%[2]s}
nodes:
  node01: {model: pi5, wake: ups, ups_host: true}
  node02: {model: pi5, wake: ups}
  node03: {model: pi5, wake: ups}
  node04: {model: pi5, wake: ups}
policy:
  ride_through: 12s
  stable_for: 5s
  reserve: 20s
  budgets: {drain: 40s, halt: 30s, park: 60s, boot: 60s, swarm: 20s}
  stages:
    - {name: all, on_battery: 20s}
mqtt: {broker: "tcp://10.77.0.1:18830"}
controller: {listen: ":7480", advertise: "10.77.0.11:7480", state_dir: %[1]s/state, control_socket: %[1]s/control.sock}
%[3]s`

const agentYAML = `
node: %[1]s
controller: "10.77.0.11:7480"
dir: %[2]s/certs
docker: "unix://%[2]s/docker.sock"
commands:
  halt: [[touch, %[2]s/halt]]
  timer: [["true"]]
  park:
    - [sh, -c, "p=$(cat docker.pid) && kill $p && while [ -e docker.pid ]; do sleep 0.1; done"]
    - [touch, %[2]s/parked]
  reboot: [[touch, %[2]s/reboot]]
%[3]s`

// More is what a test adds to the configurations; the zero value is nothing.
type More struct {
	UPS        string            // more keys of the UPS, each after a comma
	Controller string            // more sections
	Agents     map[string]string // more sections, by node
}

// Start starts the controller on the first node, joins every node, and arms it.
func (g *Ground) Start(more More) {
	g.t.Helper()
	host := g.Nodes[0]
	g.write(host, "controller.yaml", fmt.Sprintf(controllerYAML, host.dir, more.UPS, more.Controller))
	if _, err := host.Run(g.ctx, "../lastwatt", "config", "check", "controller.yaml"); err != nil {
		g.t.Fatal(err)
	}
	g.until(60*time.Second, "controller", func() bool { _, ok := g.Status(); return ok })
	for _, n := range g.Nodes {
		out, err := host.Run(g.ctx, "../lastwatt", "token", "--node", n.Name, "--socket", host.file("control.sock"))
		if err != nil {
			g.t.Fatal(err)
		}
		token := ""
		for _, word := range strings.Fields(out) {
			if strings.HasPrefix(word, "lwt1-") {
				token = word
			}
		}
		if _, err := n.Run(g.ctx, "../lastwatt", "join", token, "--node", n.Name, "--dir", n.file("certs"), "--config", n.file("joined.yaml")); err != nil {
			g.t.Fatal(err)
		}
		g.write(n, "agent.yaml", fmt.Sprintf(agentYAML, n.Name, n.dir, more.Agents[n.Name]))
	}
	if _, err := host.Run(g.ctx, "../lastwatt", "arm", "--yes", "--socket", host.file("control.sock")); err != nil {
		g.t.Fatal(err)
	}
	g.until(120*time.Second, "connected agents and a known Swarm", g.whole)
}

func (g *Ground) write(n *Node, name, text string) {
	g.t.Helper()
	if err := os.WriteFile(n.file(name+".new"), []byte(text), 0o644); err != nil {
		g.t.Fatal(err)
	}
	if err := os.Rename(n.file(name+".new"), n.file(name)); err != nil {
		g.t.Fatal(err)
	}
}

// Status is what the controller says; false while it says nothing.
func (g *Ground) Status() (rack.Snapshot, bool) {
	ctx, cancel := context.WithTimeout(g.ctx, 5*time.Second)
	defer cancel()
	if g.host != nil {
		return g.host.Status()
	}
	var s rack.Snapshot
	host := g.Nodes[0]
	if !host.Runs() {
		return s, false
	}
	out, err := host.Run(ctx, "../lastwatt", "status", "--json", "--socket", host.file("control.sock"))
	return s, err == nil && json.Unmarshal([]byte(out), &s) == nil
}

// whole is whether mains is there and every node is known and at work.
func (g *Ground) whole() bool {
	s, ok := g.Status()
	if !ok || s.Phase != "mains" || !s.Swarm.Quorum {
		return false
	}
	for _, n := range s.Nodes {
		if !n.Connected || n.Name != "node00" && n.Availability != "active" {
			return false
		}
	}
	return true
}
