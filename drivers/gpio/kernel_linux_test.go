package gpio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/warthog618/go-gpiocdev/uapi"

	"lastwatt/drivers"
)

func TestARequestSetsEachLineAsItsUseSays(t *testing.T) {
	r := request{uses: []use{
		{offset: 4, bias: pullUp, edges: falling},
		{offset: 9, bias: pullUp, edges: falling},
		{offset: 5, bias: pullDown, edges: bothEdges, activeLow: true},
		{offset: 6, output: true, openDrain: true, on: true},
		{offset: 7, output: true, bias: noBias},
	}}
	c := r.config()
	flags := make([]uapi.LineFlagV2, len(r.uses))
	for i := range flags {
		flags[i] = c.Flags
	}
	var values, outputs uapi.LineBitmap
	for _, a := range c.Attrs[:c.NumAttrs] {
		switch a.Attr.ID {
		case uapi.LineAttributeIDFlags:
			for i := range flags {
				if a.Mask.Get(i) == 1 {
					flags[i].Decode(a.Attr)
				}
			}
		case uapi.LineAttributeIDOutputValues:
			values, outputs = uapi.LineBitmap(a.Attr.Value64()), a.Mask
		}
	}
	tach := uapi.LineFlagV2Input | uapi.LineFlagV2EdgeFalling | uapi.LineFlagV2BiasPullUp
	want := []uapi.LineFlagV2{
		tach, tach,
		uapi.LineFlagV2Input | uapi.LineFlagV2EdgeBoth | uapi.LineFlagV2BiasPullDown | uapi.LineFlagV2ActiveLow,
		uapi.LineFlagV2Output | uapi.LineFlagV2OpenDrain,
		uapi.LineFlagV2Output | uapi.LineFlagV2BiasDisabled,
	}
	if !slices.Equal(flags, want) || outputs != 0b11000 || values != 0b01000 {
		t.Errorf("flags %b, outputs %b, values %b\nwant  %b, 11000, 1000", flags, outputs, values, want)
	}
}

func TestAFileThatIsNoChipIsRefused(t *testing.T) {
	root := t.TempDir()
	dev := filepath.Join(root, "dev")
	if err := os.Mkdir(dev, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dev, "gpiochip0")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("gpiochip0", filepath.Join(dev, "gpiochip4")); err != nil {
		t.Fatal(err)
	}
	k := newKernel(root)
	if paths, err := k.Paths(); err != nil || !slices.Equal(paths, []string{file}) {
		t.Errorf("Paths = %q, %v, want the file once", paths, err)
	}
	if _, err := k.Open(file); err == nil || err.Error() != file+" is no GPIO chip: inappropriate ioctl for device" {
		t.Errorf("Open = %v", err)
	}
	if _, err := k.Open(file + "0"); !errors.Is(err, drivers.ErrNoDevice) {
		t.Errorf("Open = %v, want %v", err, drivers.ErrNoDevice)
	}
	if k.Monotonic() <= 0 {
		t.Error("the monotonic clock stands at 0")
	}
}

// FuzzEvents holds the decoding of what the kernel writes to what encoding/binary
// makes of the same struct.
func FuzzEvents(f *testing.F) {
	var one bytes.Buffer
	if err := binary.Write(&one, binary.NativeEndian, uapi.LineEvent{Timestamp: 1e9, ID: 2, Offset: 17, Seqno: 9, LineSeqno: 4}); err != nil {
		f.Fatal(err)
	}
	f.Add(one.Bytes())
	f.Add(append(one.Bytes(), 1, 2, 3))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, wire []byte) {
		into := make([]event, 8)
		n := decodeEvents(wire, into)
		if n != min(len(wire)/48, 8) {
			t.Fatalf("%d events of %d bytes", n, len(wire))
		}
		for i, e := range into[:n] {
			var want uapi.LineEvent
			if err := binary.Read(bytes.NewReader(wire[48*i:]), binary.NativeEndian, &want); err != nil {
				t.Fatal(err)
			}
			if e != (event{offset: int(want.Offset), at: time.Duration(want.Timestamp), seq: want.LineSeqno}) {
				t.Fatalf("event %d is %+v", i, e)
			}
		}
	})
}
