//go:build twin

package twin

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"lastwatt/drivers/board/boardtest"
	"lastwatt/drivers/modbus/modbustest"
	"lastwatt/rack"
)

// A bench is what the test has in its hands: the files of a board, the meter, and
// the house that is told.
type bench struct {
	*Ground
	board  string // the root of the tree
	meter  modbustest.Device
	silent atomic.Bool // the meter

	mu   sync.Mutex
	told []string // alerts: title, then text
}

// boardFiles are those of a node with a fan on its own header, and a chip that
// measures the 5 V which all of it draws; in the form of drivers/board/testdata.
const boardFiles = `sys/devices/virtual/thermal/thermal_zone0/hwmon*/name: cpu_thermal
sys/devices/virtual/thermal/thermal_zone0/hwmon*/temp1_input: 48850
sys/devices/platform/cooling_fan/hwmon/hwmon*/name: pwmfan
sys/devices/platform/cooling_fan/hwmon/hwmon*/fan1_input: 1468
sys/devices/platform/cooling_fan/hwmon/hwmon*/pwm1: 75
sys/devices/platform/soc/i2c-1/1-0040/hwmon/hwmon*/name: ina219
sys/devices/platform/soc/i2c-1/1-0040/hwmon/hwmon*/in0_input: 12
sys/devices/platform/soc/i2c-1/1-0040/hwmon/hwmon*/in1_input: 5080
sys/devices/platform/soc/i2c-1/1-0040/hwmon/hwmon*/curr1_input: 1500
sys/devices/platform/soc/i2c-1/1-0040/hwmon/hwmon*/power1_input: 7620000
`

const (
	pollsBoard = 2 * time.Second // as moreParts says
	pollsMeter = 2 * time.Second // the driver's own
	// slack is what this busy machine may take beside: to hand a thing on, to show
	// it once a second, and to run the command that asks for it.
	slack = 5 * time.Second
)

// moreParts are what the rack has beside its nodes and its UPS: a meter on the
// outlets, the board of node02, and somebody to tell.
func moreParts(urlFile string) More {
	return More{
		UPS: ", watts: 120, meter: outlets",
		Controller: `sensors:
  - {name: outlets, driver: modbus, address: "tcp://10.77.0.1:18502", map: sdm120}
alerts:
  - {name: house, url_file: ` + urlFile + `, from: info}
`,
		Agents: map[string]string{"node02": `sensors:
  - {name: board, driver: board, poll: 2s, rails: [{name: 5V, device: ina219, whole: true, low_warning: 4.8, low_critical: 4.7}]}
`},
	}
}

func count(all []string, part string) int {
	n := 0
	for _, s := range all {
		if strings.Contains(s, part) {
			n++
		}
	}
	return n
}

// within waits for something and logs how long it took.
func (b *bench) within(limit time.Duration, what string, is func() bool) {
	b.t.Helper()
	began := time.Now()
	b.until(limit, what, is)
	b.t.Logf("%s: after %s", what, time.Since(began).Round(100*time.Millisecond))
}

// set writes a file of the board in one go, as the kernel answers.
func (b *bench) set(pattern, value string) {
	b.t.Helper()
	path := boardtest.Find(b.t, b.board, pattern)
	if err := os.WriteFile(path+".new", []byte(value+"\n"), 0o644); err != nil {
		b.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) fan(rpm, pwm, milliCelsius string) {
	b.t.Helper()
	b.set("sys/devices/platform/cooling_fan/hwmon/hwmon*/pwm1", pwm)
	b.set("sys/devices/platform/cooling_fan/hwmon/hwmon*/fan1_input", rpm)
	b.set("sys/devices/virtual/thermal/thermal_zone0/hwmon*/temp1_input", milliCelsius)
}

// draws sets the registers of an SDM120, each a number of two registers.
func (b *bench) draws(watts float32) {
	for address, v := range map[int]float32{0x00: 230, 0x06: watts / 230, 0x0C: watts, 0x12: watts, 0x1E: 1, 0x46: 50, 0x48: 1.5, 0x4A: 0, 0x156: 1.5} {
		bits := math.Float32bits(v)
		b.meter.Set(1, modbustest.Input, address, uint16(bits>>16), uint16(bits))
	}
}

// serveMeter answers for the meter on the bridge until the end of the test.
func (b *bench) serveMeter() {
	b.t.Helper()
	ln, err := net.Listen("tcp", hostAddr+":18502")
	if err != nil {
		b.t.Fatal(err)
	}
	peer := &modbustest.Peer{Device: &b.meter, TCP: true, Next: func() modbustest.Fault {
		if b.silent.Load() {
			return modbustest.Lost
		}
		return modbustest.None
	}}
	context.AfterFunc(b.ctx, func() { ln.Close() })
	b.work.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			stop := context.AfterFunc(b.ctx, func() { conn.Close() })
			b.work.Go(func() {
				defer stop()
				defer conn.Close()
				peer.Serve(conn)
			})
		}
	})
}

// serveHouse starts the web hook that takes alerts, and returns the file with its
// URL.
func (b *bench) serveHouse() string {
	b.t.Helper()
	ln, err := net.Listen("tcp", hostAddr+":18850")
	if err != nil {
		b.t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var m struct{ Title, Message string }
		if err == nil && json.Unmarshal(body, &m) == nil {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.told = append(b.told, m.Title+": "+m.Message)
		}
	})}
	context.AfterFunc(b.ctx, func() { server.Close() })
	b.work.Go(func() { server.Serve(ln) })
	path := filepath.Join(b.dir, "house.url")
	if err := os.WriteFile(path, []byte("generic://"+hostAddr+":18850/hook?template=json&disabletls=yes\n"), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// alerted is whether the house was told of what has this in its text.
func (b *bench) alerted(part string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return count(b.told, part) > 0
}

// plan is what "lastwatt plan --json" says.
func (b *bench) plan() (p rack.Plan) {
	host := b.Nodes[0]
	out, err := host.Run(b.ctx, "../lastwatt", "plan", "--json", "--socket", host.file("control.sock"))
	if err == nil {
		err = json.Unmarshal([]byte(out), &p)
	}
	if err != nil {
		b.t.Logf("plan: %v", err)
	}
	return p
}

// load is whether the plan counts with so many watts, by a source.
func (b *bench) load(watts float64, method string) func() bool {
	return func() bool {
		p := b.plan()
		return math.Abs(float64(p.Load)-watts) < 0.05 && p.LoadMethod == method
	}
}

// sick is whether status has a problem of this severity with this text.
func (b *bench) sick(severity, text string) bool {
	s, _ := b.Status()
	return slices.ContainsFunc(s.Health, func(p rack.Problem) bool { return p.Severity == severity && strings.Contains(p.Text, text) })
}

// parts are what the documents of node02 and of the cluster say of parts.
type parts struct {
	Temperature, Draw *float64
	DrawMethod        string `json:"draw_method"`
	Fans              map[string]struct {
		RPM     *float64
		Stalled *bool
	}
	Rails map[string]struct {
		Volts, Watts *float64
		Bad          *bool
	}
	Meters map[string]struct{ Watts *float64 }
	Health []rack.Problem
}

func (b *bench) told02(want string) func() bool {
	return func() bool { return b.words("node/node02") == want }
}

// words are what a document says of parts, in one line.
func (b *bench) words(name string) string {
	var d parts
	if !b.Document(name, &d) {
		return "nothing"
	}
	var all []string
	add := func(what string, v any) {
		if text, err := json.Marshal(v); err == nil && string(text) != "null" {
			all = append(all, what+" "+string(text))
		}
	}
	add("temperature", d.Temperature)
	add("draw", d.Draw)
	for _, fan := range d.Fans {
		add("rpm", fan.RPM)
		add("stalled", fan.Stalled)
	}
	for _, rail := range d.Rails {
		add("volts", rail.Volts)
		add("watts", rail.Watts)
		add("bad", rail.Bad)
	}
	for _, meter := range d.Meters {
		add("meter", meter.Watts)
	}
	return strings.Join(all, ", ")
}
