package main

import (
	"bytes"
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lastwatt/drivers/modbus/modbustest"
)

// modbusPort is a serial port with a PZEM-016 as unit 1 and a board of relays as
// unit 2. next, unless it is nil, says what befalls each answer.
func modbusPort(t *testing.T, next func() modbustest.Fault) (path string, d *modbustest.Device) {
	t.Helper()
	line, err := modbustest.NewPTY()
	if err != nil {
		t.Fatal(err)
	}
	d = &modbustest.Device{}
	d.Set(1, modbustest.Input, 0, 2301, 1234, 0, 2834, 0, 1000, 1, 500, 99, 0)
	d.Set(2, modbustest.Coils, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	d.Set(2, modbustest.Holding, 0x8000, 200)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		(&modbustest.Peer{Device: d, Next: next}).Serve(line)
	}()
	t.Cleanup(func() {
		line.Close()
		<-ended
	})
	return line.Path, d
}

func TestModbusDevicesOnTheCommandLine(t *testing.T) {
	path, d := modbusPort(t, nil)
	for _, c := range []struct {
		name string
		args []string
		want []string
	}{
		{"read", []string{"read", path, "--map", "pzem-004t"}, []string{"volts                      230.1 V\n", "energy_wh                  66536 Wh\n"}},
		{"read as JSON", []string{"read", path, "--map", "pzem-004t", "--json"}, []string{`"watts": {` + "\n    \"value\": 283.4,\n    \"unit\": \"W\""}},
		{"scan", []string{"scan", path, "--from", "1", "--to", "2", "--timeout", "2s"}, []string{"unit 1    fits pzem-004t  (", "unit 2    fits waveshare-relay-16, waveshare-relay-32, waveshare-relay-8  ("}},
		{"switch", []string{"switch", path, "5", "on", "--map", "waveshare-relay-8", "--unit", "2", "--yes"}, []string{"relay 5 is on, read back\n"}},
		{"read relays", []string{"read", path, "--map", "waveshare-relay-8", "--unit", "2"}, []string{"relay 4                    false\n", "relay 5                    true\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, out, errs := run1(t, append([]string{"modbus"}, c.args...)...)
			for _, want := range c.want {
				if status != exitOK || !strings.Contains(out, want) {
					t.Errorf("status %d, %s; output lacks %q:\n%s", status, errs, want, out)
				}
			}
		})
	}
	if d.Get(2, modbustest.Coils, 4) != 1 {
		t.Error("relay 5 went off again")
	}
}

func TestModbusWatchPrintsChanges(t *testing.T) {
	path, d := modbusPort(t, nil)
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	out := &watched{changed: func(text string) {
		switch {
		case strings.Contains(text, "230.1 V -> 229 V"):
			stop()
		case strings.Contains(text, "volts                      230.1 V"):
			d.Set(1, modbustest.Input, 0, 2290)
		}
	}}
	status := run(ctx, env{in: strings.NewReader(""), out: out, err: out}, []string{"modbus", "watch", path, "--map", "pzem-004t", "--poll", "200ms"})
	if text := out.String(); status != exitOK || strings.Count(text, "\n") != 7 {
		t.Errorf("status %d:\n%s", status, text)
	}
}

func TestModbusWatchTellsALossAndItsEnd(t *testing.T) {
	var away atomic.Bool
	path, _ := modbusPort(t, func() modbustest.Fault {
		if away.Load() {
			return modbustest.Lost
		}
		return modbustest.None
	})
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	out := &watched{changed: func(text string) {
		switch {
		case strings.Contains(text, "answers again"):
			stop()
		case strings.Contains(text, "lost: "):
			away.Store(false)
		case strings.Contains(text, "power_factor"): // the last row
			away.Store(true)
		}
	}}
	status := run(ctx, env{in: strings.NewReader(""), out: out, err: out}, []string{"modbus", "watch", path, "--map", "pzem-004t", "--poll", "200ms", "--timeout", "60ms"})
	if text := out.String(); status != exitOK || strings.Count(text, "\n") != 8 || !strings.HasSuffix(text, "answers again\n") {
		t.Errorf("status %d:\n%s", status, text)
	}
}

// watched calls changed with all that was written so far, after each write.
type watched struct {
	bytes.Buffer
	changed func(string)
}

func (w *watched) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	w.changed(w.String())
	return n, err
}
