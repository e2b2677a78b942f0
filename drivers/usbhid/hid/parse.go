package hid

import (
	"fmt"
	"slices"
)

// The limits of [Parse]. Real power devices stay far below them: the largest
// descriptor known has 2149 bytes and 5 levels.
const (
	maxDescriptor  = 1<<16 - 1 // wDescriptorLength has 16 bits
	maxDepth       = 32        // of collections, and of Push
	maxUsages      = 1024      // local usage items before one main item
	maxFields      = 1 << 14
	maxReportBits  = 8 * (1<<16 - 1) // wLength has 16 bits
	maxFieldBits   = 64
	longItemPrefix = 0xfe
)

// The types of item (HID 1.11, section 6.2.2.2).
const (
	mainItem   = 0
	globalItem = 1
	localItem  = 2
)

// Parse reads a report descriptor. It returns an error, with the offset of the
// item, for everything that has no one meaning: an item cut short, collections
// or pushes that do not match, a delimiter left open, a value beyond the limits
// of this package.
func Parse(data []byte) (*Descriptor, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("report descriptor is empty")
	}
	if len(data) > maxDescriptor {
		return nil, fmt.Errorf("report descriptor has %d bytes: at most %d", len(data), maxDescriptor)
	}
	p := parser{descriptor: &Descriptor{}, reports: map[Key]*Report{}, seen: map[string]int{}}
	for at := 0; at < len(data); {
		n, err := p.item(data[at:], at)
		if err != nil {
			return nil, fmt.Errorf("report descriptor, byte %d: %w", at, err)
		}
		at += n
	}
	switch {
	case len(p.around) > 0:
		return nil, fmt.Errorf("report descriptor ends within %d collections", len(p.around))
	case len(p.pushed) > 0:
		return nil, fmt.Errorf("report descriptor ends with %d pushes not popped", len(p.pushed))
	case p.descriptor.IDs && p.withoutID:
		return nil, fmt.Errorf("report descriptor numbers some reports and not others")
	}
	return p.descriptor, nil
}

// A parser is the state of the item state table (HID 1.11, section 5.4).
type parser struct {
	descriptor *Descriptor
	reports    map[Key]*Report
	seen       map[string]int // fields so far, by type and path
	fields     int
	withoutID  bool

	globals
	pushed []globals
	locals
	path   []Usage
	around []int // the open collections: where each begins in path
}

// globals hold until changed; Push saves them.
type globals struct {
	page                     uint16
	logicalMin, physicalMin  int64
	logicalMax, physicalMax  number
	exponent                 int
	unit                     Unit
	reportID                 uint8
	reportSize, reportNumber uint32
}

// locals end with the next main item.
type locals struct {
	usages    []localUsage
	min       localUsage
	haveMin   bool
	delimited bool // within a delimited set
	inSet     int  // usages of the open set so far
}

// A localUsage is a run of usages as declared: its page is only known for sure
// at the main item.
type localUsage struct {
	min, max Usage
	extended bool // the item named its page
	aliases  []Usage
}

// A number is the data of an item in both readings: devices write a maximum of
// 255 into one byte, which is -1 by the letter.
type number struct{ signed, unsigned int64 }

// atLeast returns the signed reading, unless that is below the minimum.
func (n number) atLeast(min int64) int64 {
	if n.signed < min {
		return n.unsigned
	}
	return n.signed
}

// item takes the item at the head of data and returns its length.
func (p *parser) item(data []byte, at int) (int, error) {
	prefix := data[0]
	if prefix == longItemPrefix {
		if len(data) < 3 || len(data) < 3+int(data[1]) {
			return 0, fmt.Errorf("long item is cut short")
		}
		// No long item is defined; they are there to be passed over.
		return 3 + int(data[1]), nil
	}
	size := int(prefix & 3)
	if size == 3 {
		size = 4
	}
	if len(data) < 1+size {
		return 0, fmt.Errorf("item 0x%02x is cut short: has %d of %d bytes", prefix, len(data)-1, size)
	}
	n := numberOf(data[1 : 1+size])
	known, err := true, error(nil)
	switch tag := prefix >> 4; prefix >> 2 & 3 {
	case mainItem:
		known, err = p.main(tag, n)
		p.locals = locals{}
	case globalItem:
		known, err = p.global(tag, n)
	case localItem:
		known, err = p.local(tag, n, size)
	default:
		known = false
	}
	if !known {
		p.descriptor.Reserved = append(p.descriptor.Reserved, at)
	}
	return 1 + size, err
}

func numberOf(data []byte) number {
	var u uint32
	for i, b := range data {
		u |= uint32(b) << (8 * i)
	}
	shift := 32 - 8*len(data)
	if shift == 32 {
		return number{}
	}
	return number{signed: int64(int32(u<<shift) >> shift), unsigned: int64(u)}
}

func (p *parser) main(tag byte, n number) (known bool, err error) {
	if p.delimited {
		return true, fmt.Errorf("main item within a delimited set")
	}
	if p.haveMin {
		return true, fmt.Errorf("usage minimum without a maximum")
	}
	p.bindPage()
	switch tag {
	case 0x8:
		return true, p.data(Input, n)
	case 0x9:
		return true, p.data(Output, n)
	case 0xb:
		return true, p.data(Feature, n)
	case 0xa:
		return true, p.begin(n)
	case 0xc:
		if len(p.around) == 0 {
			return true, fmt.Errorf("end of a collection that was not begun")
		}
		p.path = p.path[:p.around[len(p.around)-1]]
		p.around = p.around[:len(p.around)-1]
		return true, nil
	}
	return false, nil
}

// begin opens a collection. UPSes with outlets number them in the types of
// collection that are left to vendors, 0x80 and up; the number becomes a part
// of the path, or else all outlets had the same one.
func (p *parser) begin(n number) error {
	if len(p.around) == maxDepth {
		return fmt.Errorf("collections are nested deeper than %d", maxDepth)
	}
	u := p.ranges().At(0)
	if len(p.around) == 0 {
		p.descriptor.Applications = append(p.descriptor.Applications, u)
	}
	p.around = append(p.around, len(p.path))
	p.path = append(p.path, u)
	if n.unsigned >= 0x80 && n.unsigned <= 0xff {
		p.path = append(p.path, Instance(int(n.unsigned)-0x80))
	}
	return nil
}

// bindPage gives short usages the page that holds at the main item (HID 1.11,
// section 6.2.2.8), unless that page was already in force for an earlier usage
// of the same item: then each keeps the page that stood before it. The Linux
// kernel reads both kinds of descriptor in this way.
func (p *parser) bindPage() {
	for i, u := range slices.Backward(p.usages) {
		if u.extended {
			continue
		}
		if u.min.Page() == p.page {
			return
		}
		rebind := func(v Usage) Usage { return Usage(p.page)<<16 | Usage(v.ID()) }
		p.usages[i].min, p.usages[i].max = rebind(u.min), rebind(u.max)
	}
}

func (p *parser) ranges() Ranges {
	rs := make(Ranges, len(p.usages))
	for i, u := range p.usages {
		rs[i] = Range{u.min, u.max}
	}
	return rs
}

func (p *parser) global(tag byte, n number) (known bool, err error) {
	switch tag {
	case 0x0:
		p.page = uint16(n.unsigned)
	case 0x1:
		p.logicalMin = n.signed
	case 0x2:
		p.logicalMax = n
	case 0x3:
		p.physicalMin = n.signed
	case 0x4:
		p.physicalMax = n
	case 0x5:
		p.exponent = exponentOf(n)
	case 0x6:
		p.unit = Unit(n.unsigned)
	case 0x7:
		p.reportSize = uint32(n.unsigned)
	case 0x8:
		if n.unsigned < 1 || n.unsigned > 255 {
			return true, fmt.Errorf("report id %d: want 1 to 255", n.unsigned)
		}
		p.reportID, p.descriptor.IDs = uint8(n.unsigned), true
	case 0x9:
		p.reportNumber = uint32(n.unsigned)
	case 0xa:
		if len(p.pushed) == maxDepth {
			return true, fmt.Errorf("more than %d pushes", maxDepth)
		}
		p.pushed = append(p.pushed, p.globals)
	case 0xb:
		if len(p.pushed) == 0 {
			return true, fmt.Errorf("pop without a push")
		}
		p.globals = p.pushed[len(p.pushed)-1]
		p.pushed = p.pushed[:len(p.pushed)-1]
	default:
		return false, nil
	}
	return true, nil
}

// exponentOf accepts the nibble of the specification (0xf is -1) and the whole
// byte that some devices write (0xff is -1).
func exponentOf(n number) int {
	if n.unsigned <= 0xf {
		return int(int8(n.unsigned<<4) >> 4)
	}
	return int(int8(n.unsigned))
}

func (p *parser) local(tag byte, n number, size int) (known bool, err error) {
	u := localUsage{extended: size == 4}
	u.min = Usage(n.unsigned)
	if !u.extended {
		u.min |= Usage(p.page) << 16
	}
	u.max = u.min
	switch tag {
	case 0x0:
		return true, p.addUsage(u)
	case 0x1:
		p.min, p.haveMin = u, true
		return true, nil
	case 0x2:
		return true, p.endRange(u)
	case 0x3, 0x4, 0x5, 0x7, 0x8, 0x9:
		// Designators and strings describe the fields for people; nothing is
		// read by them.
		return true, nil
	case 0xa:
		return true, p.delimiter(n)
	}
	return false, nil
}

func (p *parser) endRange(u localUsage) error {
	if !p.haveMin {
		return fmt.Errorf("usage maximum without a minimum")
	}
	min := p.min
	p.min, p.haveMin = localUsage{}, false
	if u.extended && !min.extended {
		min.min = u.max&^0xffff | Usage(min.min.ID())
	}
	if !u.extended && min.extended {
		u.max = min.min&^0xffff | Usage(u.max.ID())
	}
	if u.max < min.min || u.max.Page() != min.min.Page() {
		return fmt.Errorf("usages from %04x:%04x to %04x:%04x are no range",
			min.min.Page(), min.min.ID(), u.max.Page(), u.max.ID())
	}
	return p.addUsage(localUsage{min: min.min, max: u.max, extended: u.extended || min.extended})
}

func (p *parser) addUsage(u localUsage) error {
	if p.delimited {
		p.inSet++
		if p.inSet > 1 {
			last := &p.usages[len(p.usages)-1]
			if len(last.aliases) == maxUsages {
				return fmt.Errorf("more than %d usages in a delimited set", maxUsages)
			}
			last.aliases = append(last.aliases, u.min)
			return nil
		}
	}
	if len(p.usages) == maxUsages {
		return fmt.Errorf("more than %d usages for one item", maxUsages)
	}
	p.usages = append(p.usages, u)
	return nil
}

func (p *parser) delimiter(n number) error {
	switch {
	case n.unsigned == 1 && p.delimited:
		return fmt.Errorf("delimited set within another")
	case n.unsigned == 0 && !p.delimited:
		return fmt.Errorf("end of a delimited set that was not begun")
	case n.unsigned > 1:
		return fmt.Errorf("delimiter %d: want 1 (open) or 0 (close)", n.unsigned)
	}
	p.delimited, p.inSet = n.unsigned == 1, 0
	return nil
}
