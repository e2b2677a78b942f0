package modbus

import (
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"lastwatt/drivers"
	"lastwatt/drivers/drivertest"
	"lastwatt/drivers/modbus/modbustest"
)

// port is a device at a pseudo-terminal, which the driver opens as a serial port.
func port(t *testing.T) (*modbustest.PTY, *modbustest.Peer) { return badPort(t, nil) }

// badPort is one of whose answers next says what befalls them.
func badPort(t *testing.T, next func() modbustest.Fault) (*modbustest.PTY, *modbustest.Peer) {
	t.Helper()
	line, err := modbustest.NewPTY()
	if err != nil {
		t.Fatal(err)
	}
	peer := &modbustest.Peer{Device: &modbustest.Device{}, Next: next}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		peer.Serve(line)
	}()
	t.Cleanup(func() {
		line.Close()
		<-ended
	})
	return line, peer
}

// at is a device that may take its time: on a busy machine it needs it.
func at(address, which string) Config {
	c := Defaults()
	c.Address, c.Map, c.Poll, c.Timeout = address, which, 200*time.Millisecond, 10*time.Second
	return c
}

func opened(t *testing.T, c Config) drivers.Driver {
	t.Helper()
	d, err := New(c, drivers.Options{Name: "it"})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestARealPortKeepsADriversPromises(t *testing.T) {
	drivertest.RunReal(t, func(t *testing.T) drivertest.Rig {
		line, peer := port(t)
		pzem(peer.Device, 1)
		return drivertest.Rig{Driver: opened(t, at(line.Path, "pzem-004t")), Unplug: func() { line.Close() }}
	})
}

func TestARealSocketKeepsADriversPromises(t *testing.T) {
	for address, tcp := range map[string]bool{"tcp://": true, "rtu+tcp://": false} {
		drivertest.RunReal(t, func(t *testing.T) drivertest.Rig {
			peer := &modbustest.Peer{Device: &modbustest.Device{}, TCP: tcp}
			pzem(peer.Device, 1)
			s := &server{peer: peer}
			s.start(t, "127.0.0.1:0")
			t.Cleanup(s.stop)
			where := s.listener.Addr().String()
			return drivertest.Rig{Driver: opened(t, at(address+where, "pzem-004t")), Unplug: s.stop, Plug: func() { s.start(t, where) }}
		})
	}
}

// A server is a host with a device behind a socket.
type server struct {
	peer     *modbustest.Peer
	listener net.Listener
	mu       sync.Mutex
	conns    []net.Conn
	done     sync.WaitGroup
}

func (s *server) start(t *testing.T, where string) {
	var err error
	if s.listener, err = net.Listen("tcp", where); err != nil {
		t.Fatal(err)
	}
	s.done.Go(func() {
		for {
			c, err := s.listener.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, c)
			s.mu.Unlock()
			s.done.Go(func() {
				one := *s.peer
				one.Serve(c)
				c.Close()
			})
		}
	})
}

func (s *server) stop() {
	s.listener.Close()
	s.mu.Lock()
	for _, c := range s.conns {
		c.Close()
	}
	s.conns = nil
	s.mu.Unlock()
	s.done.Wait()
}

func TestAPortThatIsNotThereIsSaidSo(t *testing.T) {
	for _, c := range []struct {
		address string
		is      error
		text    string
	}{
		{"/dev/serial/by-id/usb-none", drivers.ErrNoDevice, "is it plugged in? /dev/serial/by-id lists the ports by lasting names"},
		{"/dev/null", nil, "the line cannot be opened: "},
		{"tcp://127.0.0.1:1", drivers.ErrNoDevice, "connection refused"},
	} {
		err := opened(t, at(c.address, "pzem-004t")).Run(t.Context(), func(drivers.Reading) { t.Error("it reported") })
		if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, want %q", c.address, err, c.text)
		}
	}
}

func TestAPortThatCannotSwitchTheDirectionIsSaidSo(t *testing.T) {
	line, _ := port(t)
	c := at(line.Path, "pzem-004t")
	c.RS485 = true
	err := opened(t, c).Run(t.Context(), func(drivers.Reading) {})
	if err == nil || !strings.Contains(err.Error(), "cannot switch the direction (inappropriate ioctl for device): remove rs485; adapters for USB switch by themselves") {
		t.Error(err)
	}
}

func TestPeopleReadEveryFieldAndWhyOneIsAbsent(t *testing.T) {
	line, peer := port(t)
	pzem(peer.Device, 1)
	peer.Device.Set(1, modbustest.Input, 3, 0xFFFF, 0xFFFF) // watts
	rows, fact, err := ReadOnce(t.Context(), at(line.Path, "pzem-004t"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Row{}
	for _, r := range rows {
		got[r.Name] = r
	}
	if got["volts"].Value != 230.1 || got["volts"].Unit != "V" || got["watts"].Value != nil || got["watts"].Absent != "429496729.5 cannot be true: it is above 25000" {
		t.Errorf("%+v", rows)
	}
	if m := fact.(drivers.Meter); m.Watts != nil || m.Method != "" {
		t.Errorf("%+v: watts that cannot be true are absent", m)
	}
	relays(peer.Device, 2)
	peer.Device.Set(2, modbustest.Coils, 4, 1)
	c := at(line.Path, "waveshare-relay-8")
	c.Unit = new(2)
	rows, _, err = ReadOnce(t.Context(), c)
	if err != nil || len(rows) != 8 || rows[4] != (Row{Name: "relay 5", Value: true}) {
		t.Errorf("%+v, %v", rows, err)
	}
}
