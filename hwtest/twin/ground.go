//go:build twin

package twin

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"lastwatt/drivers"
	"lastwatt/rack"
	"lastwatt/sim"
)

const (
	bridge   = "lwtbr"
	hostAddr = "10.77.0.1"
)

// A Ground is the rack: its nodes, its UPS, a broker, and who listens to it.
type Ground struct {
	t     *testing.T
	ctx   context.Context
	dir   string
	Nodes []*Node
	UPS   *sim.UPS
	work  sync.WaitGroup

	mu     sync.Mutex
	host   *Host             // nil where the controller is on a node
	events []rack.Event      // as a subscriber saw them
	docs   map[string]string // the newest of each topic
}

// A machine is what hangs on the UPS's outlets.
type machine interface {
	On() error
	Off()
	Runs() bool
	Stops() []string
}

// machines are the nodes, and the controller's own machine if it has one.
func (g *Ground) machines() []machine {
	var all []machine
	for _, n := range g.Nodes {
		all = append(all, n)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.host != nil {
		all = append(all, g.host)
	}
	return all
}

// NewGround builds it all, up to a Swarm of three managers and a worker with a
// web service.
func NewGround(t *testing.T, p sim.UPSParams) *Ground {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "lastwatt-twin-")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	g := &Ground{t: t, ctx: ctx, dir: dir, UPS: sim.NewUPS(p), docs: map[string]string{}}
	t.Cleanup(func() {
		if t.Failed() {
			g.logs()
		}
		cancel()
		g.work.Wait() // nobody gives power any more
		for _, n := range g.machines() {
			n.Off()
		}
		g.clear()
		os.RemoveAll(dir)
	})
	g.clear()
	began := time.Now()
	g.must("ip", "link", "add", bridge, "type", "bridge")
	g.must("ip", "addr", "add", hostAddr+"/24", "dev", bridge)
	g.must("ip", "link", "set", bridge, "up")
	g.must("iptables", "-P", "FORWARD", "ACCEPT")
	for i := range 4 {
		g.Nodes = append(g.Nodes, g.node(i+1))
	}
	g.build()
	g.broker()
	g.serveUPS()
	g.each(func(n *Node) error { return n.On() })
	g.work.Go(g.power)
	g.swarm()
	t.Logf("the ground stands after %s", time.Since(began).Round(100*time.Millisecond))
	return g
}

func (g *Ground) must(args ...string) string {
	g.t.Helper()
	out, err := exec.CommandContext(g.ctx, args[0], args[1:]...).CombinedOutput()
	if err != nil {
		g.t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// each does f for all nodes at once.
func (g *Ground) each(f func(*Node) error) {
	g.t.Helper()
	var all errgroup.Group
	for _, n := range g.Nodes {
		all.Go(func() error { return f(n) })
	}
	if err := all.Wait(); err != nil {
		g.t.Fatal(err)
	}
}

// clear removes what this run, or an earlier one, has left of the network. A
// namespace goes away some time after its name, so the host's end of each pair
// is removed first: that removes both.
func (g *Ground) clear() {
	links := []string{"lwtap", bridge}
	for i := range 4 {
		links = append(links, fmt.Sprintf("lwtv%02d", i+1))
	}
	for range 50 {
		left := slices.DeleteFunc(slices.Clone(links), func(name string) bool { return exec.Command("ip", "link", "show", name).Run() != nil })
		if len(left) == 0 {
			break
		}
		for _, name := range left {
			exec.Command("ip", "link", "del", name).Run()
		}
		time.Sleep(100 * time.Millisecond)
	}
	for i := range 4 {
		exec.Command("ip", "netns", "del", fmt.Sprintf("lwt-node%02d", i+1)).Run()
	}
}

func (g *Ground) node(i int) *Node {
	name := fmt.Sprintf("node%02d", i)
	n := &Node{Name: name, Addr: fmt.Sprintf("10.77.0.%d", 10+i), dir: filepath.Join(g.dir, name), netns: "lwt-" + name}
	if err := os.MkdirAll(n.dir, 0o755); err != nil {
		g.t.Fatal(err)
	}
	in := func(args ...string) { g.must(append([]string{"ip", "-n", n.netns}, args...)...) }
	g.must("ip", "netns", "add", n.netns)
	g.must("ip", "link", "add", "lwtv"+name[4:], "type", "veth", "peer", "name", "eth0", "netns", n.netns)
	g.must("ip", "link", "set", "lwtv"+name[4:], "master", bridge, "up")
	in("link", "set", "lo", "up")
	in("addr", "add", n.Addr+"/24", "dev", "eth0")
	in("link", "set", "eth0", "up")
	in("route", "add", "default", "via", hostAddr)
	return n
}

// build makes the program and the image of the web service.
func (g *Ground) build() {
	cmd := exec.CommandContext(g.ctx, "go", "build", "-o", filepath.Join(g.dir, "lastwatt"), "lastwatt/cmd/lastwatt")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		g.t.Fatalf("build: %v: %s", err, out)
	}
	bin := filepath.Join(g.dir, "image", "bin")
	g.must("mkdir", "-p", bin)
	g.must("cp", "/bin/busybox", bin)
	for _, name := range []string{"sh", "httpd", "sleep"} {
		g.must("ln", "-s", "busybox", filepath.Join(bin, name))
	}
	g.must("tar", "-C", filepath.Join(g.dir, "image"), "-cf", filepath.Join(g.dir, "image.tar"), ".")
}

// swarm forms the Swarm: node04 is the worker.
func (g *Ground) swarm() {
	g.each(func(n *Node) error {
		if err := n.waitForDocker(g.ctx); err != nil {
			return err
		}
		_, err := n.Docker(g.ctx, "import", filepath.Join(g.dir, "image.tar"), "web:1")
		return err
	})
	first := g.Nodes[0]
	g.docker(first, "swarm", "init", "--advertise-addr", first.Addr)
	manager, worker := g.docker(first, "swarm", "join-token", "-q", "manager"), g.docker(first, "swarm", "join-token", "-q", "worker")
	for i, n := range g.Nodes[1:] {
		token := manager
		if i == 2 {
			token = worker
		}
		g.docker(n, "swarm", "join", "--token", token, "--advertise-addr", n.Addr, first.Addr+":2377")
	}
	g.docker(first, "service", "create", "-d", "--no-resolve-image", "--name", "web", "--replicas", "4", "--stop-grace-period", "2s", "web:1", "/bin/httpd", "-f", "-p", "80")
	g.docker(first, "service", "create", "-d", "--no-resolve-image", "--name", "slow", "--replicas", "1", "--stop-grace-period", "20s", "web:1",
		"/bin/sh", "-c", "trap 'sleep 10; exit 0' TERM; while :; do sleep 1; done")
	g.docker(first, "service", "create", "-d", "--no-resolve-image", "--name", "each", "--mode", "global", "--stop-grace-period", "2s", "web:1", "/bin/httpd", "-f", "-p", "81")
	g.until(180*time.Second, "the services to run", func() bool {
		out, _ := first.Docker(g.ctx, "service", "ls", "--format", "{{.Replicas}}")
		return len(strings.Fields(out)) == 3 && strings.Contains(out, "1/1") && strings.Count(out, "4/4") == 2
	})
}

func (n *Node) waitForDocker(ctx context.Context) error {
	var err error
	for range 600 {
		if _, err = n.Docker(ctx, "info", "--format", "{{.ID}}"); err == nil {
			return nil
		}
		time.Sleep(200 * time.Millisecond)
	}
	return err
}

func (g *Ground) docker(n *Node, args ...string) string {
	g.t.Helper()
	out, err := n.Docker(g.ctx, args...)
	if err != nil {
		g.t.Fatal(err)
	}
	return out
}

// Swarm is what has to be exactly as before: every specification, who is a
// manager, and how many tasks run. Which manager leads may change.
func (g *Ground) Swarm() string {
	first := g.Nodes[0]
	var lines []string
	add := func(args ...string) {
		out, err := first.Docker(g.ctx, args...)
		if err != nil {
			out = "unknown: " + err.Error()
		}
		some := strings.Split(strings.ReplaceAll(out, "Leader", "Reachable"), "\n")
		slices.Sort(some)
		lines = append(lines, some...)
	}
	add("node", "ls", "--format", "{{.Hostname}} {{.Status}} {{.Availability}} {{.ManagerStatus}}")
	for _, n := range g.Nodes {
		add("node", "inspect", n.Name, "--format", n.Name+" {{json .Spec}}")
	}
	add("service", "ls", "--format", "{{.Name}} {{.Replicas}}")
	for _, s := range []string{"web", "slow", "each"} {
		add("service", "inspect", s, "--format", s+" {{json .Spec}}")
	}
	return strings.Join(lines, "\n")
}

// daemon runs something until the end of the test.
func (g *Ground) daemon(args ...string) {
	cmd := exec.CommandContext(g.ctx, args[0], args[1:]...)
	if err := cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	g.work.Go(func() { cmd.Wait() })
}

func (g *Ground) serveUPS() {
	ln, err := net.Listen("tcp", hostAddr+":18840")
	if err != nil {
		g.t.Fatal(err)
	}
	poll := func() <-chan time.Time { return time.After(time.Second) }
	g.work.Go(func() { sim.Serve(g.ctx, ln, g.UPS, poll, func() []sim.Line { return nil }) })
}

// power moves the battery on, and gives and takes what the outlets give.
func (g *Ground) power() {
	last, on := time.Now(), true
	for g.ctx.Err() == nil {
		time.Sleep(100 * time.Millisecond)
		now := time.Now()
		load := 15.0
		for _, n := range g.machines() {
			if n.Runs() {
				load += 4.5
			}
		}
		g.UPS.SetLoad(drivers.Watt(load))
		g.UPS.Advance(now.Sub(last))
		last = now
		outlets := g.UPS.Outlets()
		for _, n := range g.machines() {
			switch {
			case !outlets:
				n.Off()
			case !on || g.restarts(n):
				if err := n.On(); err != nil {
					g.t.Error(err)
				}
			}
		}
		on = outlets
	}
}

// restarts is whether n ended in order to start again.
func (g *Ground) restarts(n machine) bool {
	stops := n.Stops()
	return !n.Runs() && len(stops) > 0 && stops[len(stops)-1] == "restarted"
}

// until waits for something that must come.
func (g *Ground) until(limit time.Duration, what string, is func() bool) {
	g.t.Helper()
	end := time.Now().Add(limit)
	for !is() {
		if time.Now().After(end) {
			g.t.Fatalf("no %s within %s; events: %v", what, limit, g.Events(0))
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// logs shows the end of each log.
func (g *Ground) logs() {
	files, _ := filepath.Glob(filepath.Join(g.dir, "*", "*.log"))
	for _, f := range files {
		lines := 60
		if strings.HasSuffix(f, "docker.log") {
			lines = 5
		}
		out, _ := exec.Command("tail", "-n", fmt.Sprint(lines), f).Output()
		g.t.Logf("--- %s\n%s", f, out)
	}
}
