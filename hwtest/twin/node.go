//go:build twin

package twin

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// initScript is process 1 of a node: it starts what systemd would, again if it
// dies, and stops all of it clean when it is told to halt or to start again.
const initScript = `
cd %[1]q
mount --bind resolv.conf /etc/resolv.conf || exit 1
mount --bind boot_id /proc/sys/kernel/random/boot_id || exit 1
hostname %[2]s
rm -rf exec docker.pid halt reboot parked clean
dockerd --data-root $PWD/data --exec-root $PWD/exec --pidfile $PWD/docker.pid -H unix://$PWD/docker.sock >> docker.log 2>&1 &
docker=$!
agent= controller=
alive() { [ -n "$1" ] && kill -0 "$1" 2>/dev/null; }
end() {
	for pid in $controller $agent $docker; do kill $pid 2>/dev/null; done
	while alive "$docker" && [ ! -e parked ]; do sleep 0.1; done
	echo "$1" > clean
	exit 0
}
while :; do
	[ -e halt ] && end halted
	[ -e reboot ] && end restarted
	if [ -e controller.yaml ] && ! alive "$controller"; then
		../lastwatt controller --config controller.yaml >> controller.log 2>&1 & controller=$!; echo $controller > controller.pid
	fi
	if [ -e agent.yaml ] && ! alive "$agent"; then
		if [ -d sys ]; then # a board's files, for the agent alone: the engine needs the machine's own
			unshare -m sh -c 'mount --bind sys /sys && exec ../lastwatt agent --config agent.yaml' >> agent.log 2>&1 & agent=$!
		else
			../lastwatt agent --config agent.yaml >> agent.log 2>&1 & agent=$!
		fi
	fi
	sleep 0.2
done
`

// A Node is one machine.
type Node struct {
	Name, Addr string
	dir, netns string

	mu    sync.Mutex
	init  *exec.Cmd
	ended chan struct{}
	boots int
	stops []string // how it ended each time: halted, restarted, parked, dirty
}

// Socket is where its engine listens.
func (n *Node) Socket() string { return "unix://" + n.file("docker.sock") }

func (n *Node) file(name string) string { return filepath.Join(n.dir, name) }

// On gives it power.
func (n *Node) On() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.init != nil {
		return nil
	}
	n.boots++
	boot := fmt.Sprintf("%08d-%s\n", n.boots, n.Name)
	for name, text := range map[string]string{"boot_id": boot, "resolv.conf": "nameserver 127.0.0.1\n", "init": fmt.Sprintf(initScript, n.dir, n.Name)} {
		if err := os.WriteFile(n.file(name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	os.Remove(n.file("clean"))
	os.Remove(n.file("parked"))
	cmd := exec.Command("nsenter", "--net=/run/netns/"+n.netns, "unshare", "-m", "-u", "-p", "-f", "--mount-proc", "--kill-child=KILL", "sh", n.file("init"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := os.OpenFile(n.file("init.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	n.init, n.ended = cmd, ended
	go func() {
		defer close(ended)
		cmd.Wait()
		n.mu.Lock()
		defer n.mu.Unlock()
		n.init = nil
		n.stops = append(n.stops, howItEnded(n.dir))
	}()
	return nil
}

// howItEnded reads what a machine left behind in its directory.
func howItEnded(dir string) string {
	if how, err := os.ReadFile(filepath.Join(dir, "clean")); err == nil {
		return strings.TrimSpace(string(how))
	}
	if _, err := os.Stat(filepath.Join(dir, "parked")); err == nil {
		return "parked"
	}
	return "dirty"
}

// Off takes its power away, and waits until nothing of it runs.
func (n *Node) Off() {
	n.mu.Lock()
	cmd, ended := n.init, n.ended
	n.mu.Unlock()
	if cmd == nil {
		return
	}
	if pid := n.pid(); pid != "" {
		exec.Command("kill", "-KILL", pid).Run()
	} else {
		cmd.Process.Kill()
	}
	<-ended
}

// Runs is whether it has power and is not halted.
func (n *Node) Runs() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.init != nil
}

// Stops are how it ended, each time.
func (n *Node) Stops() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.stops...)
}

// pid is its process 1, as this machine numbers it.
func (n *Node) pid() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.init == nil {
		return ""
	}
	pid := n.init.Process.Pid
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	return strings.TrimSpace(string(children))
}

// Run runs a command on it, as someone who is logged in.
func (n *Node) Run(ctx context.Context, args ...string) (string, error) {
	args = append([]string{"-t", n.pid(), "-m", "-u", "-n", "-p", "--wd=" + n.dir}, args...)
	out, err := exec.CommandContext(ctx, "nsenter", args...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s: %s: %w: %s", n.Name, strings.Join(args[6:], " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// Docker runs the docker command against its engine.
func (n *Node) Docker(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 45*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "docker", append([]string{"-H", n.Socket()}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: docker %s: %w: %s", n.Name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}
