package wire_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lastwatt/drivers"
	"lastwatt/drivers/modbus/modbustest"
	"lastwatt/drivers/modbus/wire"
)

const timeout = 200 * time.Millisecond

// serialSettings are of a port that is not there: tests bring their own opener.
func serialSettings() wire.Settings {
	return wire.Settings{Framing: wire.RTU, Host: "/nowhere/ttyS9", Baud: 9600, DataBits: 8, Parity: "none", StopBits: 1}
}

// registers is a device whose every register holds its own address.
func registers() *modbustest.Device {
	d := &modbustest.Device{}
	for a := range 200 {
		d.Set(1, modbustest.Holding, a, uint16(a))
		d.Set(2, modbustest.Holding, a, uint16(1000+a))
		d.Set(1, modbustest.Coils, a, 0)
	}
	return d
}

// A rig is a line with a peer at its other end.
type rig struct {
	t      *testing.T
	peer   *modbustest.Peer
	serial *modbustest.Serial  // RTU
	net    *modbustest.Network // TCP
	line   *wire.Line
}

// inBoth runs a test in fake time over a serial line and over TCP.
func inBoth(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Run("rtu", func(t *testing.T) { overRTU(t, test) })
	t.Run("tcp", func(t *testing.T) { overTCP(t, test) })
}

func overRTU(t *testing.T, test func(t *testing.T, r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, peer: &modbustest.Peer{Device: registers(), Latency: 20 * time.Millisecond, Late: timeout * 9 / 5}, serial: modbustest.NewSerial()}
		ended := make(chan struct{})
		go func() {
			r.peer.Serve(r.serial)
			close(ended)
		}()
		r.join(opener(r.serial.Open), serialSettings())
		test(t, r)
		r.line.Leave()
		r.serial.Close()
		<-ended
	})
}

func overTCP(t *testing.T, test func(t *testing.T, r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, peer: &modbustest.Peer{Device: registers(), TCP: true, Latency: 20 * time.Millisecond, Late: timeout * 9 / 5}}
		r.net = modbustest.NewNetwork(func(c io.ReadWriteCloser) { r.peer.Serve(c) })
		r.join(opener(r.net.Open), wire.Settings{Framing: wire.TCP, Host: "ups:502"})
		test(t, r)
		r.line.Leave()
		r.net.Close()
	})
}

func (r *rig) join(open wire.Opener, s wire.Settings) {
	r.t.Helper()
	line, err := wire.NewLines(open).Join(s)
	if err != nil {
		r.t.Fatal(err)
	}
	r.line = line
}

// opener opens a line in memory.
func opener(open func() (modbustest.Conn, error)) wire.Opener {
	return func(context.Context, wire.Settings) (wire.Conn, error) { return open() }
}

// next sets what befalls the next answers.
func (r *rig) next(faults ...modbustest.Fault) {
	var mu sync.Mutex
	r.peer.Next = func() modbustest.Fault {
		mu.Lock()
		defer mu.Unlock()
		if len(faults) == 0 {
			return modbustest.None
		}
		f := faults[0]
		faults = faults[1:]
		return f
	}
}

// ask reads one holding register of unit 1.
func (r *rig) ask(address int) (uint16, error) {
	a, err := r.line.Ask(r.t.Context(), wire.Request{Unit: 1, Function: wire.ReadHolding, Address: uint16(address), Count: 1, Timeout: timeout})
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint16(a.Data), nil
}

// right asks for registers and wants each one's own value.
func (r *rig) right(addresses ...int) {
	r.t.Helper()
	for _, a := range addresses {
		if got, err := r.ask(a); err != nil || int(got) != a {
			r.t.Errorf("asked %d, got %d, %v", a, got, err)
		}
	}
}

// wrong asks for a register and wants an error with this text.
func (r *rig) wrong(address int, text string) {
	r.t.Helper()
	if got, err := r.ask(address); err == nil || !strings.Contains(err.Error(), text) {
		r.t.Errorf("asked %d, got %d, error %v; want one with %q", address, got, err, text)
	}
}

// The four faults of goburrow's own transporters.

func TestALateAnswerIsNeverTheNextOnes(t *testing.T) {
	inBoth(t, func(t *testing.T, r *rig) {
		r.right(100)
		r.next(modbustest.Late)
		r.wrong(101, "no answer in")
		r.right(102, 103, 104, 105, 106)
	})
}

func TestTCPRecoversFromALateAnswer(t *testing.T) {
	overTCP(t, func(t *testing.T, r *rig) {
		r.next(modbustest.Late)
		r.wrong(101, "timeout")
		for a := range 10 {
			r.right(a)
		}
		if n := r.net.Opened(); n != 2 {
			t.Errorf("%d connections, want a second one after the late answer", n)
		}
	})
}

func TestTCPRecoversFromAServerThatHangsUp(t *testing.T) {
	overTCP(t, func(t *testing.T, r *rig) {
		r.right(1)
		r.net.HangUp()
		synctest.Wait()
		r.wrong(2, "")
		r.right(3, 4)
		r.next(modbustest.HangUp)
		r.wrong(5, "the other side closed the connection")
		r.right(6, 7)
	})
}

func TestAnExceptionInTwoPartsIsAnException(t *testing.T) {
	overRTU(t, func(t *testing.T, r *rig) {
		r.next(modbustest.Split)
		_, err := r.ask(999) // which the device does not have
		var no wire.Exception
		if !errors.As(err, &no) || no.Code != 2 {
			t.Errorf("%v, want exception 2", err)
		}
		r.right(1, 2)
		if n := r.serial.Opened(); n != 1 {
			t.Errorf("the port was opened %d times: an exception is no fault of the line", n)
		}
	})
}

func TestWhatIsNoSoundAnswerIsAnErrorAndTheLineRecovers(t *testing.T) {
	for _, c := range []struct {
		fault modbustest.Fault
		text  string // RTU
	}{
		{modbustest.Late, "no answer in"},
		{modbustest.Lost, "no answer in"},
		{modbustest.Short, "are missing: timeout"},
		{modbustest.Garbled, ""},
		{modbustest.Foreign, "an answer of unit 2, where 1 was asked"},
		{modbustest.Busy, "exception 6, the device is busy"},
		{modbustest.Noise, "an answer of unit 0, where 1 was asked"},
	} {
		t.Run(c.fault.String(), func(t *testing.T) {
			overRTU(t, func(t *testing.T, r *rig) {
				for a := range 50 {
					r.next(c.fault)
					r.wrong(a, c.text)
					r.right(a+50, a+51)
				}
			})
		})
	}
}

func TestASplitAnswerIsOneAnswer(t *testing.T) {
	inBoth(t, func(t *testing.T, r *rig) {
		r.next(modbustest.Split, modbustest.Split, modbustest.Split)
		r.right(1, 2, 3)
	})
}

func TestASecondCopyOfAnAnswerIsNotTheNextAnswer(t *testing.T) {
	inBoth(t, func(t *testing.T, r *rig) {
		r.next(modbustest.Doubled, modbustest.None, modbustest.Doubled)
		r.right(1, 2, 3, 4, 5)
	})
}

func TestAnswersToOlderTransactionsArePassedOver(t *testing.T) {
	overTCP(t, func(t *testing.T, r *rig) {
		r.next(modbustest.Noise) // a frame of another transaction comes first
		r.right(1, 2)
		if n := r.net.Opened(); n != 1 {
			t.Errorf("%d connections, want 1", n)
		}
	})
}

func TestAGenerationEndsWithEveryFault(t *testing.T) {
	inBoth(t, func(t *testing.T, r *rig) {
		ask := func(generation uint64) (wire.Answer, error) {
			return r.line.Ask(t.Context(), wire.Request{Unit: 1, Function: wire.ReadHolding, Count: 1, Timeout: timeout, Generation: generation})
		}
		first, err := ask(0)
		if err != nil || first.Generation == 0 {
			t.Fatalf("%+v, %v", first, err)
		}
		if _, err := ask(first.Generation); err != nil {
			t.Errorf("within the generation: %v", err)
		}
		r.next(modbustest.Lost)
		ask(0)
		before := r.peer.Device.Asked()
		if _, err := ask(first.Generation); !errors.Is(err, wire.ErrReopened) {
			t.Errorf("after a fault: %v, want %v", err, wire.ErrReopened)
		}
		if r.peer.Device.Asked() != before {
			t.Error("it was asked all the same")
		}
		second, err := ask(0)
		if err != nil || second.Generation <= first.Generation {
			t.Errorf("%+v, %v: want a later generation than %d", second, err, first.Generation)
		}
		if err := r.line.Distrust(t.Context(), second.Generation, timeout); err != nil {
			t.Fatal(err)
		}
		if third, err := ask(0); err != nil || third.Generation <= second.Generation {
			t.Errorf("%+v, %v: want a later generation than %d", third, err, second.Generation)
		}
	})
}

func TestAHangUpOfOursIsNoFault(t *testing.T) {
	overTCP(t, func(t *testing.T, r *rig) {
		r.right(1)
		if err := r.line.Hangup(t.Context()); err != nil {
			t.Fatal(err)
		}
		a, err := r.line.Ask(t.Context(), wire.Request{Unit: 1, Function: wire.ReadHolding, Count: 1, Timeout: timeout, Generation: 1})
		if err != nil || r.net.Opened() != 2 {
			t.Errorf("%+v, %v, over %d connections; want an answer of the same generation over a second one", a, err, r.net.Opened())
		}
	})
}

func TestAWriteIsRepeatedByTheDevice(t *testing.T) {
	inBoth(t, func(t *testing.T, r *rig) {
		for value := range uint16(2) {
			if _, err := r.line.Ask(t.Context(), wire.Request{Unit: 1, Function: wire.WriteCoil, Address: 7, Value: 1 - value, Timeout: timeout}); err != nil {
				t.Fatal(err)
			}
			if got := r.peer.Device.Get(1, modbustest.Coils, 7); got != 1-value {
				t.Errorf("coil is %d, want %d", got, 1-value)
			}
		}
		if _, err := r.line.Ask(t.Context(), wire.Request{Unit: 1, Function: wire.WriteRegister, Address: 7, Value: 77, Timeout: timeout}); err != nil {
			t.Fatal(err)
		}
		if got := r.peer.Device.Get(1, modbustest.Holding, 7); got != 77 {
			t.Errorf("register is %d, want 77", got)
		}
	})
}

func TestTheLinePausesBetweenRequestsAndUnits(t *testing.T) {
	inBoth(t, func(t *testing.T, r *rig) {
		took := func(unit byte) time.Duration {
			start := time.Now()
			_, err := r.line.Ask(t.Context(), wire.Request{Unit: unit, Function: wire.ReadHolding, Count: 1, Timeout: timeout, Pause: 35 * time.Millisecond, UnitPause: 150 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			return time.Since(start)
		}
		took(1)
		if d := took(1); d != 55*time.Millisecond {
			t.Errorf("the next request took %v, want the pause of 35 ms and the device's 20 ms", d)
		}
		if d := took(2); d != 170*time.Millisecond {
			t.Errorf("the other unit took %v, want 150 ms and 20 ms", d)
		}
	})
}

func TestALineThatIsAwayIsTriedLessAndLessOften(t *testing.T) {
	inBoth(t, func(t *testing.T, r *rig) {
		unplug, plug := r.unplugged()
		unplug()
		start := time.Now()
		var at []time.Duration
		for range 9 {
			_, err := r.ask(1)
			if !errors.Is(err, wire.ErrDown) || !errors.Is(err, drivers.ErrNoDevice) {
				t.Fatalf("%v, want %v", err, wire.ErrDown)
			}
			at = append(at, time.Since(start))
		}
		if at[0] != 0 || at[1] < 250*time.Millisecond || at[1] > 320*time.Millisecond || at[8]-at[7] < 10*time.Second || at[8]-at[7] > 13*time.Second {
			t.Errorf("tried at %v; want at once, after a quarter of a second, and every ten seconds in the end", at)
		}
		plug()
		r.right(1)
		unplug()
		r.ask(1)
		plug()
		start = time.Now()
		r.right(2)
		if d := time.Since(start); d > time.Second {
			t.Errorf("back after %v: a line that worked begins with a short wait again", d)
		}
	})
}

func (r *rig) unplugged() (unplug, plug func()) {
	if r.serial != nil {
		return r.serial.Unplug, r.serial.Plug
	}
	return r.net.Unplug, r.net.Plug
}

func TestALineThatNeverFallsSilentIsToldSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := modbustest.NewSerial()
		line, err := wire.NewLines(opener(s.Open)).Join(serialSettings())
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for ctx.Err() == nil {
				s.Write([]byte("noise"))
				time.Sleep(10 * time.Millisecond)
			}
		}()
		_, err = line.Ask(t.Context(), wire.Request{Unit: 1, Function: wire.ReadHolding, Count: 1, Timeout: timeout})
		if err == nil || !strings.Contains(err.Error(), "it never falls silent: is there another master, or noise?") {
			t.Error(err)
		}
		stop()
		<-done
		line.Leave()
	})
}

func TestWhoStopsWaitingLeavesTheLineInOrder(t *testing.T) {
	inBoth(t, func(t *testing.T, r *rig) {
		r.peer.Latency = 150 * time.Millisecond
		ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer stop()
		_, err := r.line.Ask(ctx, wire.Request{Unit: 1, Function: wire.ReadHolding, Address: 5, Count: 1, Timeout: timeout})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want the context's error", err)
		}
		r.right(6, 7)
	})
}

func TestUsersOfOneLineShareOnePort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := modbustest.NewSerial()
		ended := make(chan struct{})
		go func() {
			(&modbustest.Peer{Device: registers()}).Serve(s)
			close(ended)
		}()
		lines := wire.NewLines(opener(s.Open))
		results := make(chan error, 8)
		for n := range 8 {
			go func() {
				line, err := lines.Join(serialSettings())
				if err != nil {
					results <- err
					return
				}
				defer line.Leave()
				for i := range 20 {
					unit, address := byte(1+n%2), uint16(n*20+i)
					a, err := line.Ask(t.Context(), wire.Request{Unit: unit, Function: wire.ReadHolding, Address: address, Count: 1, Timeout: timeout})
					if want := int(address) + 1000*(n%2); err != nil || int(binary.BigEndian.Uint16(a.Data)) != want {
						results <- fmt.Errorf("unit %d, register %d: %x, %w", unit, address, a.Data, err)
						return
					}
				}
				results <- nil
			}()
		}
		for range 8 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if s.Opened() != 1 {
			t.Errorf("the port was opened %d times", s.Opened())
		}
		other := serialSettings()
		other.StopBits = 2
		line, err := lines.Join(serialSettings())
		if err != nil {
			t.Fatal(err)
		}
		_, err = lines.Join(other)
		if want := "/nowhere/ttyS9 is in use as 9600 baud 8N1: every entry of one line needs the same (got 9600 baud 8N2)"; err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
		line.Leave()
		if line, err = lines.Join(other); err != nil {
			t.Errorf("%v: nobody else uses it any more", err)
		}
		line.Leave()
		s.Close()
		<-ended
	})
}
