package gpio

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"lastwatt/drivers"
)

// tachBuffer is how many edges the kernel keeps of a chip's tachometers; it takes
// no more (gpiolib-cdev.c). At 10,000 rpm that is 3 s of one fan.
const tachBuffer = 1024

// newSession finds and requests the lines: outputs first, so that they are safe.
// The caller calls run, which gives them back.
func newSession(k kernel, c config, o drivers.Options) (*session, error) {
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &session{
		kernel: k, log: log, report: func(drivers.Reading) {}, poll: c.Poll,
		batches: make(chan batch), orders: make(chan order), ended: make(chan struct{}), parts: 1,
	}
	f := &finder{kernel: k, chip: c.Chip}
	p := places{finder: f, consumer: "lastwatt:" + o.Name}
	err := p.open(s, c)
	err = errors.Join(err, f.close())
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	if len(c.Outputs) > 0 && keepsOutputs(o.Root) {
		log.Warn("GPIO outputs keep their last level if lastwatt is killed: add dtparam=strict_gpiod to config.txt and start the machine again", "device", o.Name)
	}
	for _, chip := range p.chips {
		log.Info("GPIO opened", "device", o.Name, "chip", chip)
	}
	return s, nil
}

// keepsOutputs is whether the kernel leaves a line that is given back as it was
// driven, as Raspberry Pi OS does unless told otherwise (raspberrypi/linux#6117,
// #6150).
func keepsOutputs(root string) bool {
	for _, module := range []string{"pinctrl_bcm2835", "pinctrl_rp1"} {
		data, err := os.ReadFile(filepath.Join("/", root, "sys/module", module, "parameters/persist_gpio_outputs"))
		if err == nil && strings.TrimSpace(string(data)) == "Y" {
			return true
		}
	}
	return false
}

// places finds and requests the lines of a session.
type places struct {
	finder   *finder
	consumer string
	chips    []string // that were opened, for the log
}

// open finds all lines before it requests the first: a mistake in the
// configuration is to move no relay.
func (p *places) open(s *session, c config) error {
	var outputs, fans, inputs []place
	for i, o := range c.Outputs {
		if err := p.find(&outputs, o.Line, fmt.Sprintf("outputs[%d] %q", i, o.Name)); err != nil {
			return err
		}
	}
	for i, f := range c.Fans {
		if err := p.find(&fans, f.Line, fmt.Sprintf("fans[%d] %q", i, f.Name)); err != nil {
			return err
		}
	}
	all := c.Rails
	for i, r := range c.Rails {
		if err := p.find(&inputs, r.Line, fmt.Sprintf("rails[%d] %q", i, r.Name)); err != nil {
			return err
		}
	}
	if c.Mains != nil {
		if err := p.find(&inputs, c.Mains.Line, "mains"); err != nil {
			return err
		}
		all = append(all[:len(all):len(all)], *c.Mains)
	}
	if err := p.openOutputs(s, c.Outputs, outputs); err != nil {
		return err
	}
	if err := p.openInputs(s, all, inputs, len(c.Rails)); err != nil {
		return err
	}
	return p.openFans(s, c.Fans, fans)
}

func (p *places) find(into *[]place, line, user string) error {
	at, err := p.finder.line(line, user)
	if err != nil {
		return err
	}
	*into = append(*into, at)
	return nil
}

func (p *places) openOutputs(s *session, list []outputConfig, at []place) error {
	for i, c := range list {
		u := use{offset: at[i].offset, activeLow: c.ActiveLow, output: true, openDrain: c.OpenDrain, on: c.safeOn()}
		l, err := p.request(at[i].on, request{uses: []use{u}})
		if err != nil {
			return fmt.Errorf("outputs[%d] %q: %w", i, c.Name, err)
		}
		o := &output{name: c.Name, line: c.Line, released: c.OpenDrain, safe: c.safeOn(), on: c.safeOn(), lines: l}
		s.outputs = append(s.outputs, o)
		if err := o.check(s.log); err != nil {
			return err
		}
	}
	return nil
}

func (p *places) request(c *found, r request) (lines, error) {
	r.consumer = p.consumer
	if !slices.Contains(p.chips, c.Label()) {
		p.chips = append(p.chips, c.Label())
	}
	return c.Request(r)
}

// byChip calls do for each chip, with the places in at that are on it.
func byChip(at []place, do func(c *found, which []int) error) error {
	which := map[*found][]int{}
	for i, p := range at {
		which[p.on] = append(which[p.on], i)
	}
	for i, p := range at {
		if which[p.on][0] == i {
			if err := do(p.on, which[p.on]); err != nil {
				return err
			}
		}
	}
	return nil
}

// openInputs requests the inputs of a chip together, without the kernel's
// debouncing: that also holds back what a line is read as, so that a lost edge
// would never be made up for.
func (p *places) openInputs(s *session, list []inputConfig, at []place, rails int) error {
	return byChip(at, func(c *found, which []int) error {
		g := &group{in: map[int]*watched{}}
		var uses []use
		for n, i := range which {
			w := &watched{name: list[i].Name, mains: i >= rails, input: input{hold: list[i].Debounce}, group: g, bit: n}
			g.in[at[i].offset] = w
			s.inputs = append(s.inputs, w)
			uses = append(uses, use{offset: at[i].offset, activeLow: list[i].ActiveLow, bias: bias(list[i].Bias), edges: bothEdges})
		}
		return p.openGroup(s, c, g, request{uses: uses})
	})
}

// openFans requests the tachometers of a chip together: the kernel keeps 16
// events for each line of a request.
func (p *places) openFans(s *session, list []fanConfig, at []place) error {
	now := s.kernel.Monotonic()
	return byChip(at, func(c *found, which []int) error {
		g := &group{fans: map[int]*fan{}}
		var uses []use
		perSecond := 0.0 // edges, at the greatest speeds
		for _, i := range which {
			l := list[i]
			f := &fan{name: l.Name, tach: newTach(tachRules{pulses: l.Pulses, min: l.MinRPM, max: l.MaxRPM, spinUp: l.SpinUp}, now)}
			for _, o := range s.outputs {
				if o.name == l.Power {
					f.power = o
					f.tach.power(o.on, now)
				}
			}
			g.fans[at[i].offset] = f
			s.fans = append(s.fans, f)
			uses = append(uses, use{offset: at[i].offset, bias: bias(l.Bias), edges: falling})
			perSecond += l.MaxRPM / 60 * float64(l.Pulses)
		}
		// Twice in the time in which they fill what the kernel keeps.
		s.parts = max(s.parts, int(math.Ceil(s.poll.Seconds()*perSecond*2/tachBuffer)))
		s.edges = make([]event, atOnce)
		return p.openGroup(s, c, g, request{uses: uses, buffer: tachBuffer})
	})
}

func (p *places) openGroup(s *session, c *found, g *group, r request) error {
	var err error
	if g.lines, err = p.request(c, r); err != nil {
		return err
	}
	s.groups = append(s.groups, g)
	return nil
}
