//go:build peers && linux

package modbus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"lastwatt/drivers"
	"lastwatt/drivers/modbus/maps"
	"lastwatt/drivers/modbus/modbustest"
	"lastwatt/drivers/modbus/wire"
)

// A program is a Modbus server that we did not write.
type program struct {
	name string
	// command runs it: how is tcp, rtu+tcp or rtu, where a port number or the
	// path of a serial port, registers a file.
	command func(t *testing.T, how, where, registers string) *exec.Cmd
	hows    []string
}

func programs() []program {
	return []program{
		{"pymodbus", func(_ *testing.T, how, where, registers string) *exec.Cmd {
			return exec.Command("/usr/bin/python3", "testdata/peers/pymodbus_server.py", how, where, registers)
		}, []string{"tcp", "rtu+tcp", "rtu"}},
		{"libmodbus", func(t *testing.T, how, where, registers string) *exec.Cmd {
			return exec.Command(compiled(t), how, where, registers)
		}, []string{"tcp", "rtu"}},
		{"modbus-serial", func(t *testing.T, how, where, registers string) *exec.Cmd {
			out, err := exec.Command("../../scripts/setup-modbus-peer").Output()
			if err != nil {
				t.Fatalf("scripts/setup-modbus-peer: %v", err)
			}
			dir := strings.TrimSpace(string(out))
			c := exec.Command("node", filepath.Join(dir, "server.js"), how, where, registers)
			return c
		}, []string{"tcp", "rtu"}},
	}
}

// compiled is the server of libmodbus.
func compiled(t *testing.T) string {
	t.Helper()
	flags, err := exec.Command("pkg-config", "--cflags", "--libs", "libmodbus").Output()
	if err != nil {
		t.Fatalf("pkg-config libmodbus (apt install libmodbus-dev): %v", err)
	}
	binary := filepath.Join(t.TempDir(), "server")
	args := append([]string{"-O1", "-Wall", "-Werror", "-o", binary, "testdata/peers/libmodbus_server.c"}, strings.Fields(string(flags))...)
	if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	return binary
}

// registerFile writes the registers of unit 1: those of the soak, eight relays with
// their version, and the capture of an APC.
func registerFile(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	d := &modbustest.Device{}
	soaked(d, 1)
	for a := range 100 {
		fmt.Fprintf(&b, "input %d %d\n", a, d.Get(1, modbustest.Input, a))
	}
	apc(d)
	for _, block := range [][2]int{{0, 27}, {128, 32}, {516, 8}, {532, 16}, {564, 8}, {588, 2}, {1026, 2}, {2048, 4}} {
		for a := block[0]; a < block[0]+block[1]; a++ {
			fmt.Fprintf(&b, "holding %d %d\n", a, d.Get(1, modbustest.Holding, a))
		}
	}
	fmt.Fprintf(&b, "holding 4000 200\n")
	for a := range 8 {
		fmt.Fprintf(&b, "coil %d 0\n", a)
	}
	path := filepath.Join(t.TempDir(), "registers")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A running is a server that runs, and how to reach it.
type running struct {
	address string
	start   func()
	kill    func()
}

// run starts a server. On rtu two pseudo-terminals are joined: the server has one
// and we the other.
func (p program) run(t *testing.T, how string) *running {
	t.Helper()
	r := &running{}
	where := ""
	if how == "rtu" {
		theirs, ours := pty(t), pty(t)
		where, r.address = theirs.Path, ours.Path
		go io.Copy(ours, theirs)
		go io.Copy(theirs, ours)
	} else {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, where, _ = net.SplitHostPort(l.Addr().String())
		r.address = how + "://127.0.0.1:" + where
		l.Close()
	}
	registers := registerFile(t)
	r.start = func() {
		cmd := p.command(t, how, where, registers)
		log := &strings.Builder{}
		cmd.Stdout, cmd.Stderr = log, log
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			t.Fatalf("start %s: %v", p.name, err)
		}
		r.kill = sync.OnceFunc(func() {
			cmd.Process.Kill()
			cmd.Wait()
			if t.Failed() {
				t.Logf("%s said:\n%s", p.name, log)
			}
		})
		r.await(t)
	}
	r.start()
	t.Cleanup(func() { r.kill() })
	return r
}

func pty(t *testing.T) *modbustest.PTY {
	t.Helper()
	line, err := modbustest.NewPTY()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { line.Close() })
	return line
}

// await waits until the server answers.
func (r *running) await(t *testing.T) {
	t.Helper()
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		line := joined(t, r.address)
		_, err = line.Ask(t.Context(), wire.Request{Unit: 1, Function: wire.ReadInput, Address: 90, Count: 1, Timeout: 300 * time.Millisecond})
		line.Leave()
		if err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("no answer in a minute: %v", err)
}

func joined(t *testing.T, address string) *wire.Line {
	t.Helper()
	c := at(address, "")
	c.Baud = 115200
	s, err := c.settings(serialMap())
	if err != nil {
		t.Fatal(err)
	}
	line, err := wire.NewLines(wire.Open).Join(s)
	if err != nil {
		t.Fatal(err)
	}
	return line
}

// each runs a test against every server over everything that it speaks.
func each(t *testing.T, test func(t *testing.T, p program, how string)) {
	for _, p := range programs() {
		for _, how := range p.hows {
			t.Run(p.name+" "+how, func(t *testing.T) { test(t, p, how) })
		}
	}
}

func peerConfig(r *running, which string) Config {
	c := at(r.address, which)
	c.Timeout = 500 * time.Millisecond // it is waited for where a server was killed
	if !strings.Contains(r.address, "://") {
		c.Baud = 115200
	}
	return c
}

func TestPeersValuesAreRead(t *testing.T) {
	path := writeMap(t, soakMap)
	each(t, func(t *testing.T, p program, how string) {
		r := p.run(t, how)
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		n := 0
		err := opened(t, peerConfig(r, path)).Run(ctx, func(reading drivers.Reading) {
			check(t, 1, reading.Fact)
			if n++; n == 10 {
				stop()
			}
		})
		if n != 10 || !errors.Is(err, context.Canceled) {
			t.Errorf("%d readings, %v", n, err)
		}
		_, fact, err := ReadOnce(t.Context(), peerConfig(r, "apc-smart-ups"))
		u, ok := fact.(drivers.UPS)
		if !ok || *u.Runtime != 5391*time.Second || *u.OnBattery || u.Model != "Smart-UPS 1500" || u.InputVoltage != nil {
			t.Errorf("the APC: %+v, %v", fact, err)
		}
	})
}

func TestPeersExceptionsAndWrites(t *testing.T) {
	each(t, func(t *testing.T, p program, how string) {
		r := p.run(t, how)
		line := joined(t, r.address)
		_, err := line.Ask(t.Context(), wire.Request{Unit: 1, Function: wire.ReadHolding, Address: 60000, Count: 2, Timeout: time.Second})
		line.Leave()
		var no wire.Exception
		if !errors.As(err, &no) || no.Code != 2 {
			t.Errorf("a register that is not there: %v, want exception 2", err)
		}
		c := peerConfig(r, writeMap(t, strings.NewReplacer("0x8000", "4000").Replace(boardMap(t))))
		c.Outputs = map[string]Output{"a": {Relay: 3}}
		d := opened(t, c).(drivers.Switcher)
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		ended, ready := make(chan error, 1), make(chan bool, 1000)
		go func() {
			ended <- d.Run(ctx, func(reading drivers.Reading) { ready <- *reading.Fact.(drivers.Output).On })
		}()
		if <-ready {
			t.Error("it is on at the start")
		}
		if err := d.Switch(ctx, "a", true); err != nil {
			t.Error(err)
		}
		if rows, _, err := ReadOnce(t.Context(), c); how == "tcp" && p.name != "libmodbus" && (err != nil || rows[2].Value != true) {
			t.Errorf("read over a second connection: %+v, %v", rows, err) // libmodbus's server takes one
		}
		stop()
		<-ended
		if rows, _, err := ReadOnce(t.Context(), c); err != nil || rows[2].Value != false {
			t.Errorf("after the end: %+v, %v; want the safe state, off", rows, err)
		}
	})
}

func TestAPeerThatDiesAndComesBack(t *testing.T) {
	path := writeMap(t, soakMap)
	each(t, func(t *testing.T, p program, how string) {
		r := p.run(t, how)
		d := opened(t, peerConfig(r, path))
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		n := 0
		err := d.Run(ctx, func(reading drivers.Reading) {
			check(t, 1, reading.Fact)
			if n++; n == 1 {
				r.kill()
			}
		})
		if err == nil || ctx.Err() != nil {
			t.Fatalf("%v: want an error of its own", err)
		}
		r.start()
		again := 0
		d.Run(ctx, func(reading drivers.Reading) {
			check(t, 1, reading.Fact)
			again++
			stop()
		})
		if again == 0 {
			t.Error("no reading after it came back")
		}
	})
}

// TestNoValueThroughABadLineIsWrong reads each server over a line that makes one
// answer in eight late, short, split, garbled, foreign or an exception.
func TestNoValueThroughABadLineIsWrong(t *testing.T) {
	long := 4 * time.Second
	if s := os.Getenv("LASTWATT_SOAK"); s != "" {
		var err error
		if long, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	path := writeMap(t, soakMap)
	each(t, func(t *testing.T, p program, how string) {
		r := p.run(t, how)
		bad, address := badLine(t, r, how)
		c := peerConfig(r, path)
		c.Address = address
		c.Timeout, c.Poll = 100*time.Millisecond, 200*time.Millisecond
		d := opened(t, c)
		every := 100
		if how != "tcp" {
			every = 20
		}
		var timeout atomic.Int64
		timeout.Store(int64(25 * time.Millisecond))
		if how == "rtu" && p.name == "modbus-serial" {
			timeout.Store(int64(150 * time.Millisecond)) // it waits 30 ms for more of a request
		}
		fast := d.(*device)
		fast.poll = time.Millisecond
		counts := &tally{faults: map[modbustest.Fault]int{}}
		bad.LateBy = func() time.Duration { return lateness() * time.Duration(timeout.Load()) / time.Second }
		bad.Next = counts.random(bad, every)
		// A slow machine takes longer to see enough, and to answer at all.
		for end := time.Now().Add(long + time.Minute); time.Now().Before(end) && (counts.values < 20 || len(counts.faults) < 3); timeout.Store(2 * timeout.Load()) {
			fast.base.Timeout = time.Duration(timeout.Load())
			ctx, stop := context.WithTimeout(t.Context(), long)
			counts.run(ctx, t, d, 1, 10*time.Millisecond)
			stop()
		}
		t.Logf("%v: %d values compared, faults %v, given up %d times", long, counts.values, counts.faults, counts.failures-1)
		if counts.values < 20 || len(counts.faults) < 3 {
			t.Errorf("%d values and faults %v are too few to tell anything", counts.values, counts.faults)
		}
	})
}

// badLine stands between the driver and a server. It answers with what the server
// says, and lets happen to it what its Next says.
func badLine(t *testing.T, r *running, how string) (p *modbustest.Peer, address string) {
	t.Helper()
	p = &modbustest.Peer{TCP: how == "tcp"}
	if how == "rtu" {
		back, err := wire.Open(t.Context(), wire.Settings{Framing: wire.RTU, Host: r.address, Baud: 115200, DataBits: 8, Parity: "none", StopBits: 1})
		if err != nil {
			t.Fatal(err)
		}
		p.Relay = relayTo(t, back, false)
		front := pty(t)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			p.Serve(front)
		}()
		t.Cleanup(func() {
			front.Close()
			<-ended
			back.Close()
		})
		return p, front.Path
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	back, err := net.Dial("tcp", strings.TrimPrefix(r.address, how+"://"))
	if err != nil {
		t.Fatal(err)
	}
	p.Relay = relayTo(t, back, how == "tcp")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for { // one connection after the other, as a small converter does it
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.Serve(c)
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
		back.Close()
	})
	return p, how + "://" + l.Addr().String()
}

// relayTo asks a server and returns what it said, without the framing.
func relayTo(t *testing.T, back wire.Conn, tcp bool) func(unit byte, pdu []byte) []byte {
	return func(unit byte, pdu []byte) []byte {
		frame := append([]byte{unit}, pdu...)
		if tcp {
			frame = append([]byte{0, 7, 0, 0, 0, byte(len(frame))}, frame...)
		} else {
			crc := modbustest.CRC(frame)
			frame = append(frame, byte(crc), byte(crc>>8))
		}
		back.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := back.Write(frame); err != nil {
			return nil
		}
		skip := 1
		if tcp {
			skip = 7
		}
		head := make([]byte, skip+2)
		if _, err := io.ReadFull(back, head); err != nil {
			t.Logf("the server does not answer % x: %v", frame, err)
			return nil
		}
		answer := head[skip:]
		rest := 0
		if answer[0]&0x80 == 0 {
			rest = int(answer[1])
		}
		if !tcp {
			rest += 2
		}
		more := make([]byte, rest)
		if _, err := io.ReadFull(back, more); err != nil {
			return nil
		}
		answer = append(answer, more...)
		if !tcp {
			answer = answer[:len(answer)-2]
		}
		return answer
	}
}

// serialMap is a map with nothing but the usual settings of a serial line.
func serialMap() maps.Map {
	return maps.Map{Serial: maps.Serial{Baud: 9600, Parity: "none", DataBits: 8, StopBits: 1}}
}

// boardMap is the map of a board of eight relays.
func boardMap(t *testing.T) string {
	t.Helper()
	text, err := maps.Text("waveshare-relay-8")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
