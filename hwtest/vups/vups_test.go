package vups

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"lastwatt/sim"
)

// kernel is the kernel's side of the wire.
type kernel struct {
	t    *testing.T
	conn net.Conn
	seq  uint32
}

func plug(t *testing.T) (*kernel, *Device, *sim.UPS) {
	t.Helper()
	p := sim.Reference().UPS
	p.NominalWatts = 960
	m := sim.NewUPS(p)
	d, err := New(m, "")
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := net.Pipe()
	var served sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	served.Go(func() { d.Serve(ctx, theirs) })
	t.Cleanup(func() { cancel(); ours.Close(); served.Wait() })
	ours.SetDeadline(time.Now().Add(10 * time.Second))
	return &kernel{t: t, conn: ours}, d, m
}

func (k *kernel) submit(in bool, endpoint uint32, setup string, data []byte, length int) uint32 {
	k.t.Helper()
	k.seq++
	h := make([]byte, headerSize)
	for at, v := range map[int]uint32{0: cmdSubmit, 4: k.seq, 8: 65538, 16: endpoint, 24: uint32(length)} {
		binary.BigEndian.PutUint32(h[at:], v)
	}
	if in {
		h[15] = 1
	}
	s, _ := hex.DecodeString(setup)
	copy(h[40:], s)
	if _, err := k.conn.Write(append(h, data...)); err != nil {
		k.t.Fatal(err)
	}
	return k.seq
}

func (k *kernel) answer() (command, seq uint32, status int32, data []byte) {
	k.t.Helper()
	h := make([]byte, headerSize)
	if _, err := io.ReadFull(k.conn, h); err != nil {
		k.t.Fatal(err)
	}
	u := func(at int) uint32 { return binary.BigEndian.Uint32(h[at:]) }
	return u(0), u(4), int32(u(20)), h[24:28]
}

func (k *kernel) read(setup string, length int) (int32, []byte) {
	k.t.Helper()
	k.submit(true, 0, setup, nil, length)
	_, _, status, n := k.answer()
	b := make([]byte, binary.BigEndian.Uint32(n))
	if _, err := io.ReadFull(k.conn, b); err != nil {
		k.t.Fatal(err)
	}
	return status, b
}

func TestOnMainsItAnswersAsTheCapturedDeviceDid(t *testing.T) {
	k, d, _ := plug(t)
	for id, want := range d.fixed {
		if id == 0x80 || id == 0x21 { // the beeper is on in the model, and the runtime is of another battery
			continue
		}
		status, got := k.read("a101"+hex.EncodeToString([]byte{id})+"0300000800", 8)
		if status != 0 || hex.EncodeToString(got) != hex.EncodeToString(want[:min(8, len(want))]) {
			t.Errorf("report %#x = % x (status %d), want % x", id, got, status, want)
		}
	}
}

func TestItSaysAtOnceThatMainsIsLost(t *testing.T) {
	k, _, m := plug(t)
	want := k.submit(true, 1, "", nil, 8)
	if _, b := k.read("a10122030000"+"0800", 8); hex.EncodeToString(b) != "2209" { // in between, so that the transfer above is known to wait
		t.Fatalf("status on mains = % x", b)
	}
	m.SetMains(false)
	_, seq, status, n := k.answer()
	b := make([]byte, binary.BigEndian.Uint32(n))
	io.ReadFull(k.conn, b)
	if seq != want || status != 0 || hex.EncodeToString(b) != "220c" {
		t.Errorf("interrupt %d: status %d, % x; want %d, 0, 22 0c", seq, status, b, want)
	}
}

func TestTheDelaysAreWholeMinutes(t *testing.T) {
	k, d, m := plug(t)
	for _, w := range []string{"870000", "860200"} {
		data, _ := hex.DecodeString(w)
		k.submit(false, 0, "2109"+w[:2]+"0300000300", data, len(data))
		if _, _, status, _ := k.answer(); status != 0 {
			t.Fatalf("write %s: status %d", w, status)
		}
	}
	if m.StartDelay() != 0 || m.ShutdownDelay() != 2*time.Minute {
		t.Errorf("start delay %s, shutdown delay %s; want 0s, 2m0s", m.StartDelay(), m.ShutdownDelay())
	}
	if w := d.Writes(); len(w) != 2 || w[0].String() != "870000" || w[1].String() != "860200" {
		t.Errorf("writes = %v", w)
	}
	if _, b := k.read("a101860300000800", 8); hex.EncodeToString(b) != "860200" {
		t.Errorf("read back = % x", b)
	}
}

func TestFaults(t *testing.T) {
	k, d, m := plug(t)
	d.SetFault(Fault{Stall: 0x21, Short: 0x20})
	if status, _ := k.read("a101210300000800", 8); status != errStall {
		t.Errorf("a stalled report has status %d, want %d", status, errStall)
	}
	if _, b := k.read("a101200300000800", 8); len(b) != 3 {
		t.Errorf("a short report has %d bytes, want 3", len(b))
	}
	d.SetFault(Fault{Corrupt: []bool{true}, Other: 0x22})
	if _, b := k.read("810600220000"+"3002", 560); len(b) != 560 || b[0] != 0x81 {
		t.Errorf("a corrupt descriptor has %d bytes and begins % x", len(b), b[:4])
	}
	if _, b := k.read("810600220000"+"3002", 560); len(b) != 560 || b[0] != 0x05 {
		t.Errorf("the next read has %d bytes and begins % x", len(b), b[:4])
	}
	if _, b := k.read("a101220300000800", 8); len(b) != 4 || b[0] != 0x20 {
		t.Errorf("another report's bytes are % x, want those of 0x20", b)
	}
	d.SetFault(Fault{Stale: true})
	m.SetMains(false)
	if _, b := k.read("a101220300000800", 8); hex.EncodeToString(b) != "2209" {
		t.Errorf("a stale status = % x, want 22 09", b)
	}
}

func TestATransferThatWaitsCanBeTakenBack(t *testing.T) {
	k, _, _ := plug(t)
	victim := k.submit(true, 1, "", nil, 8)
	h := make([]byte, headerSize)
	binary.BigEndian.PutUint32(h, cmdUnlink)
	binary.BigEndian.PutUint32(h[4:], 99)
	binary.BigEndian.PutUint32(h[20:], victim)
	k.conn.Write(h)
	if command, seq, status, _ := k.answer(); command != retUnlink || seq != 99 || status != errReset {
		t.Errorf("unlink answers %d %d %d, want %d 99 %d", command, seq, status, retUnlink, errReset)
	}
}

func TestAPulledPlugEndsWhatIsUnderWay(t *testing.T) {
	p := sim.Reference().UPS
	d, err := New(sim.NewUPS(p), "")
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := net.Pipe()
	var served sync.WaitGroup
	defer served.Wait()
	defer ours.Close()
	ours.SetDeadline(time.Now().Add(10 * time.Second))
	w := &wire{d: d, conn: theirs}
	served.Go(func() { w.serve(t.Context()) })
	k := &kernel{t: t, conn: ours}
	d.SetFault(Fault{Hang: true})
	under := k.submit(true, 0, "a101220300000800", nil, 8)
	if status, _ := k.read("8006000100001200", 18); status != 0 { // in between, so that the transfer above is known to hang
		t.Fatalf("the device's descriptor: status %d", status)
	}
	served.Go(w.pull)
	if _, seq, status, _ := k.answer(); seq != under || status != errBus {
		t.Errorf("the transfer under way: %d, status %d; want %d, %d", seq, status, under, errBus)
	}
	if status, _ := k.read("a101220300000800", 8); status != errBus {
		t.Errorf("a transfer after the plug was pulled: status %d, want %d", status, errBus)
	}
}
