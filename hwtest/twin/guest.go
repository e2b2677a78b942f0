//go:build twin

package twin

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"lastwatt/hwtest/lab"
	"lastwatt/hwtest/vups"
	"lastwatt/rack"
)

// guestAddr is the address of the machine that runs in the lab's kernel.
const guestAddr = "10.77.0.20"

// guestScript is what that machine runs once it is up: what systemd would start,
// and what an operator does there.
const guestScript = `
ip link set eth0 up && ip addr add ` + guestAddr + `/24 dev eth0 || exit 1
rm -f halt reboot parked clean status.json
./labguest seed seed && ./labguest plug 10.77.0.1:18841 || exit 1
socket=/run/lastwatt.sock
agent= controller=
alive() { [ -n "$1" ] && kill -0 "$1" 2>/dev/null; }
end() {
	for pid in $controller $agent; do kill $pid 2>/dev/null; done
	sleep 1
	echo "$1" > clean
	exit 0
}
while :; do
	[ -e halt ] && end halted
	[ -e reboot ] && end restarted
	if ! alive "$controller"; then ./lastwatt controller --config controller.yaml >> controller.log 2>&1 & controller=$!; fi
	if [ -e agent.yaml ] && ! alive "$agent"; then ./lastwatt agent --config agent.yaml >> agent.log 2>&1 & agent=$!; fi
	for node in node00 node01 node02 node03 node04; do
		[ -e token.$node ] || { ./lastwatt token --node $node --socket $socket > token.new 2>/dev/null && mv token.new token.$node; }
	done
	if [ ! -e agent.yaml ] && [ -e token.node00 ]; then
		./lastwatt join $(sed 's/.*join //' token.node00) --node node00 --dir $PWD/certs --config $PWD/joined.yaml >> agent.log 2>&1 && cp agent.ready agent.yaml
	fi
	[ -e armed ] || { ./lastwatt arm --yes --socket $socket >> arm.log 2>&1 && touch armed; }
	./lastwatt status --json --socket $socket > status.new 2>/dev/null && mv status.new status.json
	sleep 0.3
done
`

const guestYAML = `
site: twin
ups:
  - {name: main, driver: usbhid, transport: gousb, poll: 1s, feeds: [node00, node01, node02, node03, node04], cut: true, cuts_on_mains: true}
nodes:
  node00: {wake: ups, ups_host: true}
  node01: {wake: ups}
  node02: {wake: ups}
  node03: {wake: ups}
  node04: {wake: ups}
policy:
  ride_through: 5s
  stable_for: 5s
  reserve: 20s
  assumed_empty: 0 # it is simulated down to its end
  budgets: {drain: 40s, halt: 60s, park: 30s, boot: 60s, swarm: 20s}
  stages:
    - {name: all}
mqtt: {broker: "tcp://10.77.0.1:18830"}
controller: {listen: ":7480", advertise: "10.77.0.20:7480", state_dir: %[1]s/state, control_socket: /run/lastwatt.sock}
`

// A Host is a machine in the lab's kernel: the controller's, with the virtual
// UPS on its USB.
type Host struct {
	g   *Ground
	lab lab.Guest

	mu    sync.Mutex
	off   context.CancelFunc // nil while it does not run
	ended chan struct{}
	stops []string
}

// AddHost builds the fifth machine and gives it power.
func (g *Ground) AddHost(root string) (*Host, *vups.Device) {
	g.t.Helper()
	dir := filepath.Join(g.dir, "node00")
	g.must("mkdir", "-p", dir)
	kernel, err := lab.Kernel(g.ctx, root)
	if err != nil {
		g.t.Fatal(err)
	}
	for name, args := range map[string][]string{"lastwatt": {"-tags", "gousb", "lastwatt/cmd/lastwatt"}, "labguest": {"lastwatt/hwtest/lab/cmd/labguest"}} {
		cmd := exec.CommandContext(g.ctx, "go", append([]string{"build", "-o", filepath.Join(dir, name)}, args...)...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			g.t.Fatalf("build %s: %v: %s", name, err, out)
		}
	}
	agent := fmt.Sprintf("node: node00\ncontroller: \"%s:7480\"\ndir: %s/certs\ndocker: none\ncommands:\n  halt: [[touch, %[2]s/halt]]\n  timer: [[\"true\"]]\n  park: [[touch, %[2]s/parked]]\n  reboot: [[touch, %[2]s/reboot]]\n", guestAddr, dir)
	for name, text := range map[string]string{"controller.yaml": fmt.Sprintf(guestYAML, dir), "agent.ready": agent} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			g.t.Fatal(err)
		}
	}
	device, err := vups.New(g.UPS, "")
	if err != nil {
		g.t.Fatal(err)
	}
	ln, err := net.Listen("tcp", hostAddr+":18841")
	if err != nil {
		g.t.Fatal(err)
	}
	context.AfterFunc(g.ctx, func() { ln.Close() })
	g.work.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			g.work.Go(func() { device.Serve(g.ctx, conn) })
		}
	})
	g.must("ip", "tuntap", "add", "dev", "lwtap", "mode", "tap")
	g.must("ip", "link", "set", "lwtap", "master", bridge, "up")
	console, err := os.Create(filepath.Join(dir, "console.log"))
	if err != nil {
		g.t.Fatal(err)
	}
	h := &Host{g: g, lab: lab.Guest{Kernel: kernel, Dir: dir, Script: guestScript, Tap: "lwtap", Out: console}}
	if err := h.On(); err != nil {
		g.t.Fatal(err)
	}
	g.mu.Lock()
	g.host = h
	g.mu.Unlock()
	return h, device
}

func (h *Host) file(name string) string { return filepath.Join(h.lab.Dir, name) }

// On gives it power.
func (h *Host) On() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.off != nil {
		return nil
	}
	seed := make([]byte, 64)
	rand.Read(seed)
	if err := os.WriteFile(h.file("seed"), seed, 0o600); err != nil {
		return err
	}
	ctx, off := context.WithCancel(h.g.ctx)
	ended := make(chan struct{})
	h.off, h.ended = off, ended
	h.g.work.Go(func() {
		defer close(ended)
		h.lab.Run(ctx)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.off = nil
		h.stops = append(h.stops, howItEnded(h.lab.Dir))
	})
	return nil
}

// Off pulls its plug.
func (h *Host) Off() {
	h.mu.Lock()
	off, ended := h.off, h.ended
	h.mu.Unlock()
	if off != nil {
		off()
		<-ended
	}
}

// Runs is whether it has power and is not halted.
func (h *Host) Runs() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.off != nil
}

// Stops are how it ended, each time.
func (h *Host) Stops() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.stops...)
}

// Status is what its controller said last; false if that is older than 10 s.
func (h *Host) Status() (rack.Snapshot, bool) {
	var s rack.Snapshot
	info, err := os.Stat(h.file("status.json"))
	if err != nil || time.Since(info.ModTime()) > 10*time.Second {
		return s, false
	}
	data, err := os.ReadFile(h.file("status.json"))
	return s, err == nil && json.Unmarshal(data, &s) == nil
}

// Join joins the nodes with the tokens that were made there.
func (h *Host) Join() {
	g := h.g
	g.t.Helper()
	for _, n := range g.Nodes {
		var token string
		g.until(120*time.Second, "token of "+n.Name, func() bool {
			data, err := os.ReadFile(h.file("token." + n.Name))
			if fields := strings.Fields(string(data)); err == nil && len(fields) > 0 {
				token = fields[len(fields)-1]
			}
			return token != ""
		})
		if _, err := n.Run(g.ctx, "../lastwatt", "join", token, "--node", n.Name, "--dir", n.file("certs"), "--config", n.file("joined.yaml")); err != nil {
			g.t.Fatal(err)
		}
		g.write(n, "agent.yaml", strings.Replace(fmt.Sprintf(agentYAML, n.Name, n.dir, ""), "10.77.0.11:7480", guestAddr+":7480", 1))
	}
	g.until(120*time.Second, "connected agents and a known Swarm", g.whole)
}
