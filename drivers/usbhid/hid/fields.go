package hid

import (
	"fmt"
	"slices"
)

// data takes an Input, Output or Feature item: reportNumber fields of
// reportSize bits each, or padding if it has no usage.
func (p *parser) data(t ReportType, n number) error {
	r := p.report(Key{t, p.reportID})
	start := r.Bits
	bits := uint64(p.reportSize) * uint64(p.reportNumber)
	if p.reportID == 0 && bits > 0 {
		p.withoutID = true
	}
	if uint64(start)+bits > maxReportBits {
		return fmt.Errorf("%v is longer than %d bits", r.Key, maxReportBits)
	}
	r.Bits += uint32(bits)
	usages := p.ranges()
	if bits == 0 || usages.Len() == 0 {
		return nil
	}
	switch {
	case p.reportSize > maxFieldBits:
		return fmt.Errorf("field of %d bits: at most %d", p.reportSize, maxFieldBits)
	case p.fields+int(p.reportNumber) > maxFields:
		return fmt.Errorf("more than %d fields", maxFields)
	}
	p.fields += int(p.reportNumber)
	for i := range p.reportNumber {
		f := p.field(r.Key, uint16(n.unsigned), usages, int(i))
		f.Offset = start + i*p.reportSize
		r.Fields = append(r.Fields, f)
	}
	return nil
}

func (p *parser) report(k Key) *Report {
	r := p.reports[k]
	if r == nil {
		r = &Report{Key: k}
		p.reports[k] = r
		p.descriptor.Reports = append(p.descriptor.Reports, r)
	}
	return r
}

// field makes the field of number i of a main item.
func (p *parser) field(k Key, flags uint16, usages Ranges, i int) *Field {
	f := &Field{
		Report: k, Size: p.reportSize, Flags: flags,
		LogicalMin: p.logicalMin, LogicalMax: p.logicalMax.atLeast(p.logicalMin),
		PhysicalMin: p.physicalMin, PhysicalMax: p.physicalMax.atLeast(p.physicalMin),
		Unit: p.unit, Exponent: p.exponent,
		Path: slices.Clone(p.path),
	}
	if flags&Variable == 0 {
		f.Selectors = usages
	} else {
		// Fewer usages than fields: the last one goes for the rest.
		i = min(i, usages.Len()-1)
		f.Path = append(f.Path, usages.At(i))
		f.Aliases = p.aliases(i)
	}
	id := fmt.Sprint(k.Type, f.Path)
	f.Index = p.seen[id]
	p.seen[id]++
	return f
}

// aliases returns the alternatives of the usage at index i. A delimited set
// counts as one usage.
func (p *parser) aliases(i int) []Usage {
	for _, u := range p.usages {
		n := int(u.max-u.min) + 1
		if i < n {
			return slices.Clone(u.aliases)
		}
		i -= n
	}
	return nil
}

// Select returns the usage that a value of an array selects, and false for a
// value that selects none.
func (f *Field) Select(v Value) (Usage, bool) {
	i := v.Raw - f.LogicalMin
	if v.OutOfRange || i < 0 || i >= int64(f.Selectors.Len()) {
		return 0, false
	}
	return f.Selectors.At(int(i)), true
}
