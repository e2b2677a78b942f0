package gpio

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lastwatt/drivers"
)

// boardLabels are the chips that have a Raspberry Pi's header: of Pi Zero to 3,
// of Pi 4, of Pi 5 (pinctrl-bcm2835.c and pinctrl-rp1.c of Linux). Their lines
// have the numbers of the header's GPIOs.
func boardLabels() []string { return []string{"pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1"} }

// headerLines is how many of those lines the header has, GPIO0 to GPIO27.
const headerLines = 28

// A found chip is open, with what the kernel says of its lines.
type found struct {
	chip
	path string
	info []lineInfo
}

// A place is where a configured line is.
type place struct {
	on     *found
	offset int
}

// A finder looks for chips and lines, and keeps what it opened until close.
type finder struct {
	kernel kernel
	chip   string // as configured
	open   []*found
	taken  map[place]string // who has it, as the configuration calls it
}

func (f *finder) close() error {
	var err error
	for _, c := range f.open {
		err = errors.Join(err, c.Close())
	}
	f.open = nil
	return err
}

// line finds a line by its name on the configured chip, or by a chip's label and
// the offset; user is who wants it, for the error of the second who does.
func (f *finder) line(spec, user string) (place, error) {
	p, err := f.find(spec)
	if err != nil {
		return p, fmt.Errorf("%s: %w", user, err)
	}
	if other, taken := f.taken[p]; taken {
		return p, fmt.Errorf("%s: line %s is also that of %s: a line has one user", user, spec, other)
	}
	if i := p.on.info[p.offset]; i.Used {
		return p, fmt.Errorf("%s: %w", user, errTaken(spec, p.on.Label(), i))
	}
	if f.taken == nil {
		f.taken = map[place]string{}
	}
	f.taken[p] = user
	return p, nil
}

func (f *finder) find(spec string) (place, error) {
	if label, offset, ok := byOffset(spec); ok {
		c, err := f.choose(label)
		if err != nil {
			return place{}, err
		}
		if offset >= len(c.info) {
			return place{}, fmt.Errorf("no line %d on %s, which has 0 to %d", offset, label, len(c.info)-1)
		}
		return place{c, offset}, nil
	}
	c, err := f.choose(f.chip)
	if err != nil {
		return place{}, err
	}
	if i := slices.IndexFunc(c.info, func(l lineInfo) bool { return l.Name == spec }); i >= 0 {
		return place{c, i}, nil
	}
	// Some kernels name a line after its second use: SCL1 is GPIO3.
	if n, err := strconv.Atoi(strings.TrimPrefix(spec, "GPIO")); err == nil && strings.HasPrefix(spec, "GPIO") &&
		slices.Contains(boardLabels(), c.Label()) && n >= 0 && n < min(headerLines, len(c.info)) {
		return place{c, n}, nil
	}
	return place{}, fmt.Errorf("no line %q on %s (%s): %s", spec, c.Label(), c.path, nearNames(spec, c.info))
}

// byOffset splits LABEL:OFFSET.
func byOffset(spec string) (label string, offset int, ok bool) {
	i := strings.LastIndex(spec, ":")
	if i < 0 {
		return "", 0, false
	}
	n, err := strconv.ParseUint(spec[i+1:], 10, 16)
	return spec[:i], int(n), err == nil && i > 0
}

// choose opens the chip that is meant: by its label, by the path of its file,
// or, where nothing is said, the board's own.
func (f *finder) choose(want string) (*found, error) {
	if strings.HasPrefix(want, "/") {
		return f.at(want)
	}
	paths, err := f.kernel.Paths()
	if err != nil {
		return nil, fmt.Errorf("look for GPIO chips: %w", err)
	}
	var fit []*found
	var labels []string
	var closed error
	for _, p := range paths {
		c, err := f.at(p)
		if err != nil {
			closed = errors.Join(closed, err)
			continue
		}
		labels = append(labels, fmt.Sprintf("%s (%s)", c.Label(), p))
		if c.Label() == want || want == "" && slices.Contains(boardLabels(), c.Label()) {
			fit = append(fit, c)
		}
	}
	switch {
	case len(fit) == 1:
		return fit[0], nil
	case len(fit) > 1:
		return nil, fmt.Errorf("chip: %d chips fit: write the path of one of %s", len(fit), strings.Join(labels, ", "))
	case closed != nil:
		return nil, closed
	case len(labels) == 0:
		return nil, fmt.Errorf("%w: this machine has no GPIO chip (/dev/gpiochip*)", drivers.ErrNoDevice)
	case want == "":
		return nil, fmt.Errorf("%w: no chip here is a Raspberry Pi's header: write chip: with one of %s", drivers.ErrNoDevice, strings.Join(labels, ", "))
	}
	return nil, fmt.Errorf("%w: no chip is labelled %q: have %s", drivers.ErrNoDevice, want, strings.Join(labels, ", "))
}

// at opens the chip at a path, once.
func (f *finder) at(path string) (*found, error) {
	if i := slices.IndexFunc(f.open, func(o *found) bool { return o.path == path }); i >= 0 {
		return f.open[i], nil
	}
	c, err := f.kernel.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := c.Lines()
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	o := &found{c, path, info}
	f.open = append(f.open, o)
	return o, nil
}

func lineName(i lineInfo, offset int) string {
	if i.Name != "" {
		return i.Name
	}
	return strconv.Itoa(offset)
}

// nearNames says which names are most like one that is not there.
func nearNames(name string, all []lineInfo) string {
	var names []string
	for _, l := range all {
		if l.Name != "" && !slices.Contains(names, l.Name) {
			names = append(names, l.Name)
		}
	}
	if len(names) == 0 {
		return "its lines have no names: write LABEL:OFFSET"
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(distance(name, a), distance(name, b)) })
	return "did you mean " + strings.Join(names[:min(4, len(names))], ", ") + "?"
}

// distance is Levenshtein's, without regard to case.
func distance(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner = row[j+1]
			row[j+1] = min(change, corner+1, row[j]+1)
		}
	}
	return row[len(b)]
}
