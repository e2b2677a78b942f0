package usbhid

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"lastwatt/drivers/usbhid/hid"
)

// A model is a device's report descriptor with the quantities found in it.
type model struct {
	descriptor *hid.Descriptor
	feature    [quantities]*hid.Field // nil where the device lacks it
	input      [quantities]*hid.Field
}

// newModel reads a report descriptor and refuses one that is not sound. A
// damaged read may keep its length, its balance and most of its fields: seen on
// a VP1600ELCD, which then seemed to run on battery. So the first bytes (page
// Power Device, usage UPS, application collection), the absence of reserved
// items and the presence of ACPresent are asked for.
func newModel(data []byte) (*model, error) {
	d, err := hid.Parse(data)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrDescriptor, err)
	case !bytes.HasPrefix(data, []byte{0x05, 0x84, 0x09, 0x04, 0xa1, 0x01}):
		return nil, fmt.Errorf("%w: it begins with % x and not as a UPS's", ErrDescriptor, data[:min(6, len(data))])
	case len(d.Reserved) > 0:
		return nil, fmt.Errorf("%w: reserved item at byte %d", ErrDescriptor, d.Reserved[0])
	}
	m := &model{descriptor: d}
	for q, names := range paths() {
		m.feature[q], m.input[q] = first(d, hid.Feature, names), first(d, hid.Input, names)
	}
	if m.feature[acPresent] == nil && m.input[acPresent] == nil {
		return nil, fmt.Errorf("%w: it has no ACPresent", ErrDescriptor)
	}
	return m, nil
}

func first(d *hid.Descriptor, t hid.ReportType, names []string) *hid.Field {
	for _, n := range names {
		if fields := d.Find(t, n); len(fields) > 0 {
			return fields[0]
		}
	}
	return nil
}

// features lists the feature reports that hold any of the quantities, in the
// order of the quantities; all of them if none is named.
func (m *model) features(qs ...quantity) []*hid.Report {
	if qs == nil {
		for q := range quantities {
			qs = append(qs, q)
		}
	}
	var rs []*hid.Report
	seen := map[hid.Key]bool{}
	for _, q := range qs {
		if f := m.feature[q]; f != nil && !seen[f.Report] {
			seen[f.Report] = true
			rs = append(rs, m.descriptor.Report(f.Report))
		}
	}
	return rs
}

// inputBytes is the length of the longest input report with its id.
func (m *model) inputBytes() int {
	n := 1
	for _, r := range m.descriptor.Reports {
		if r.Type == hid.Input {
			n = max(n, r.Bytes()+1)
		}
	}
	return n
}

// A sample is one quantity as it was last read.
type sample struct {
	field *hid.Field // the field it was read from; nil before the first
	raw   hid.Value
	ok    bool
	at    time.Time
}

// A snapshot is what is known of a device.
type snapshot struct {
	info    Info
	quirks  [quantities][]quirk
	scales  map[string]float64  // by NUT's name, from the configuration
	decided [quantities]float64 // the scales that quirks chose; 0 is none
	samples [quantities]sample
	// silent says that every bit beside ACPresent in its report is 0.
	silent bool
	// supplied says that an input voltage of mains was seen before, so that
	// a low one is a loss and not a wrong scale.
	supplied bool
	texts    map[uint8]string // USB strings by index; the caller fills it
}

// newSnapshot knows nothing yet. scales may be nil.
func newSnapshot(i Info, scales map[string]float64) snapshot {
	return snapshot{info: i, quirks: byQuantity(), scales: scales, texts: map[uint8]string{}}
}

// take puts a report that was read at a moment into the snapshot. What of it is
// not there is absent from now on.
func (m *model) take(s *snapshot, k hid.Key, wire []byte, at time.Time) error {
	fields := &m.feature
	if k.Type == hid.Input {
		fields = &m.input
	}
	payload, err := m.descriptor.Payload(k, wire)
	for q, f := range fields {
		if f == nil || f.Report != k {
			continue
		}
		v, ok := f.Extract(payload)
		ok = ok && err == nil
		s.samples[q] = sample{f, v, ok && !(boolean(quantity(q)) && v.Raw != 0 && v.Raw != 1), at}
		if quantity(q) == acPresent {
			s.silent = silent(m.descriptor.Report(k), payload)
		}
	}
	s.supplied = s.supplied || s.mainsSeen()
	return err
}

// boolean is whether a quantity decides about mains and can only be 0 or 1:
// anything else is another report's bytes.
func boolean(q quantity) bool { return q == acPresent || q == charging || q == discharging }

func silent(r *hid.Report, payload []byte) bool {
	for _, f := range r.Fields {
		if v, ok := f.Extract(payload); !ok || v.Raw != 0 {
			return false
		}
	}
	return true
}

// errNoReport is for a device that answers to nothing at all.
var errNoReport = errors.New("the device answered to none of its reports")
