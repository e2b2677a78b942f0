//go:build guest && bench

package guest

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/warthog618/go-gpiosim"

	"lastwatt/drivers/modbus/modbustest"
)

const footprintAgent = `
node: node01
controller: "127.0.0.1:7480"
dir: %[1]s/certs
docker: none
sensors:
  - name: pins
    driver: gpio
    fans:
      - {name: top, line: GPIO17, pulses: 2, min_rpm: 300, max_rpm: 3000}
      - {name: bottom, line: GPIO18, pulses: 2, min_rpm: 300, max_rpm: 3000}
    rails: [{name: 5v, line: GPIO22, bias: pull-up}, {name: 12v, line: GPIO23, bias: pull-up}]
    mains: {line: GPIO27, bias: pull-up}
    outputs: [{name: relay, line: GPIO5, safe: "off"}]
  - name: board
    driver: board
    rails: [{name: whole, device: ina226, whole: true, low_warning: 4.8}]
  - {name: outlets, driver: modbus, address: "tcp://127.0.0.1:5020", map: sdm120, unit: 1, poll: 1s}
`

const footprintController = `
site: footprint
ups: [{name: main, driver: sim, feeds: [node01]}]
nodes: {node01: {wake: ups, ups_host: true}}
controller: {listen: "127.0.0.1:7480", advertise: "127.0.0.1:7480", state_dir: %[1]s/state, control_socket: %[1]s/control.sock}
`

// TestFootprint measures what an agent takes whose sensors are all on: two fans that
// turn at 1500 rpm, four inputs and an output on GPIO, a board with an INA226, a
// meter over Modbus; joined to a controller, over ten minutes.
func TestFootprint(t *testing.T) {
	for _, build := range []string{"node", "whole"} {
		t.Run(build, func(t *testing.T) { footprint(t, build) })
	}
}

func footprint(t *testing.T, build string) {
	dir, ctx := t.TempDir(), t.Context()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, text := range map[string]string{"name": "ina226", "in1_input": "5080", "curr1_input": "812", "power1_input": "4125000"} {
		write("hwmon/hwmon7/"+name, text+"\n")
	}
	if err := syscall.Mount(filepath.Join(dir, "hwmon"), "/sys/class/hwmon", "", syscall.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	stop := spin(t)
	defer stop()
	serveMeter(t)
	lastwatt := func(program string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, program, args...)
		log, err := os.Create(filepath.Join(dir, args[0]+".log"))
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stdout, cmd.Stderr = log, log
		// The lab's own setting is none that a node's service has.
		cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GOMAXPROCS=") })
		return cmd
	}
	controller := lastwatt("./lastwatt", "controller", "--config", write("controller.yaml", fmt.Sprintf(footprintController, dir)))
	if err := controller.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { controller.Process.Kill(); controller.Wait() }()
	join(t, dir)
	agent := lastwatt("./lastwatt-"+build, "agent", "--config", write("agent.yaml", fmt.Sprintf(footprintAgent, dir)))
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { agent.Process.Kill(); agent.Wait() }()
	time.Sleep(time.Minute) // it starts, and what is read seldom has been read
	private := 0
	used := func() time.Duration { return cpu(t, agent.Process.Pid) }
	began, before, most := time.Now(), used(), 0
	for time.Since(began) < 10*time.Minute {
		time.Sleep(5 * time.Second)
		most = max(most, memory(t, agent.Process.Pid, "VmRSS:"))
		private = max(private, memory(t, agent.Process.Pid, "RssAnon:"))
	}
	took := time.Since(began)
	share := 100 * float64(used()-before) / float64(took)
	t.Logf("footprint | agent with all drivers, build %s | %.1f MB resident at most, %.1f MB of it its own | %.2f %% of one core | over %s |", build, float64(most)/1024, float64(private)/1024, share, took.Round(time.Second))
	status, err := exec.Command("./lastwatt", "status", "--socket", filepath.Join(dir, "control.sock")).CombinedOutput()
	t.Logf("status: %v\n%s", err, status)
	for _, want := range []string{"fan top 1", "fan bottom 1", "rpm running", "rail whole 5.08 V", "meter outlets 47 W"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("the controller's status lacks %q: not all drivers were on", want)
		}
	}
	log, _ := os.ReadFile(filepath.Join(dir, "agent.log"))
	t.Logf("the agent's log:\n%s", log)
}

// spin turns two fans at 1500 rpm of two pulses each, until the function it returns
// is called.
func spin(t *testing.T) (stop func()) {
	t.Helper()
	var lines []gpiosim.NewBankOption
	for i := range 28 {
		lines = append(lines, gpiosim.WithNamedLine(i, fmt.Sprintf("GPIO%d", i)))
	}
	s, err := gpiosim.NewSim(gpiosim.WithBank(gpiosim.NewBank("pinctrl-rp1", 54, lines...)))
	if err != nil {
		t.Fatal(err)
	}
	for _, high := range []int{22, 23, 27} {
		if err := s.Chips[0].Pullup(high); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		half := time.NewTicker(10 * time.Millisecond)
		defer half.Stop()
		for high := false; ctx.Err() == nil; high = !high {
			<-half.C
			for _, line := range []int{17, 18} {
				if high {
					_ = s.Chips[0].Pullup(line)
				} else {
					_ = s.Chips[0].Pulldown(line)
				}
			}
		}
	})
	return func() { cancel(); work.Wait(); s.Close() }
}

// serveMeter serves an SDM120 that says 230 V and 47 W.
func serveMeter(t *testing.T) {
	t.Helper()
	device := &modbustest.Device{}
	for address := 0; address < 0x160; address += 2 {
		device.Set(1, modbustest.Input, address, 0, 0)
	}
	device.Set(1, modbustest.Input, 0x00, 0x4366, 0x0000) // 230.0
	device.Set(1, modbustest.Input, 0x0c, 0x423c, 0x0000) // 47.0
	device.Set(1, modbustest.Input, 0x46, 0x4248, 0x0000) // 50.0
	ln, err := net.Listen("tcp", "127.0.0.1:5020")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			peer := &modbustest.Peer{Device: device, TCP: true}
			go func() { defer conn.Close(); _ = peer.Serve(io.ReadWriter(conn)) }()
		}
	}()
}

// join makes the machine a node of its own controller.
func join(t *testing.T, dir string) {
	t.Helper()
	token := ""
	for range 100 {
		out, err := exec.Command("./lastwatt", "token", "--node", "node01", "--socket", filepath.Join(dir, "control.sock")).CombinedOutput()
		for _, word := range strings.Fields(string(out)) {
			if err == nil && strings.HasPrefix(word, "lwt1-") {
				token = word
			}
		}
		if token != "" {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	if out, err := exec.Command("./lastwatt", "join", token, "--node", "node01", "--dir", filepath.Join(dir, "certs"), "--config", filepath.Join(dir, "joined.yaml")).CombinedOutput(); err != nil {
		t.Fatalf("join: %v\n%s", err, out)
	}
}

// cpu is the time that a process has run for, by /proc/PID/stat in hundredths of a
// second.
func cpu(t *testing.T, pid int) time.Duration {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+2:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// memory is one kind of a process's memory in kB, by /proc/PID/status.
func memory(t *testing.T, pid int, kind string) int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, kind); ok {
			kb, _ := strconv.Atoi(strings.Fields(rest)[0])
			return kb
		}
	}
	return 0
}
