package maps

import (
	"cmp"
	"slices"
)

// maxBits is how many coils one request of a plan reads at most.
const maxBits = 256

// Blocks are the requests that read all fields: fields that lie close together
// share one, and those that may be refused share none with others.
func (m Map) Blocks() []Block {
	order := make([]int, len(m.Fields))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		f, g := m.Fields[a], m.Fields[b]
		return cmp.Or(truth(f.Once)-truth(g.Once), truth(f.Optional)-truth(g.Optional),
			cmp.Compare(f.Function, g.Function), cmp.Compare(f.Address, g.Address))
	})
	var blocks []Block
	for _, i := range order {
		f := m.Fields[i]
		if n := len(blocks); n > 0 && m.fits(&blocks[n-1], f) {
			blocks[n-1].Fields = append(blocks[n-1].Fields, i)
			continue
		}
		blocks = append(blocks, Block{Read{f.Function, f.Address, uint16(f.Registers)}, f.Once, f.Optional, []int{i}})
	}
	return blocks
}

// fits stretches b by f, if f may share it.
func (m Map) fits(b *Block, f Field) bool {
	if b.Function != f.Function || b.Once != f.Once || b.Optional != f.Optional {
		return false
	}
	end, most := int(b.Address)+int(b.Count), m.Most
	if f.Function.bits() {
		most = maxBits
	}
	count := max(int(b.Count), int(f.Address)+f.Registers-int(b.Address))
	if int(f.Address) > end+m.Gap || count > most || f.Optional && int(f.Address) > end {
		return false
	}
	b.Count = uint16(count)
	return true
}

// guard makes the requests that prove that question and answer match: two whose
// answers differ in length. nil is that none could be made of the fields.
func (m Map) guard() []Read {
	var reads []Read
	for _, b := range m.Blocks() {
		if b.Optional {
			continue
		}
		first := m.Fields[b.Fields[0]]
		reads = append(reads, Read{b.Function, first.Address, uint16(first.Registers)}, b.Read)
	}
	for _, a := range reads {
		for _, b := range reads {
			if a.bytes() != b.bytes() {
				return []Read{a, b}
			}
		}
	}
	return nil
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}
