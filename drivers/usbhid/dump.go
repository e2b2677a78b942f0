package usbhid

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"lastwatt/drivers"
	"lastwatt/drivers/usbhid/hid"
)

// List returns every power device on the bus, once for each transport that this
// build has, also those that cannot be opened; see [Info.Err].
func List(ctx context.Context) ([]Info, error) {
	var all []Info
	for _, name := range Transports() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		b, err := busOf(name, newLibusb())
		if err != nil {
			return nil, err
		}
		found, err := b.Scan()
		if err != nil {
			return nil, fmt.Errorf("look for power devices over %s: %w", name, err)
		}
		all = append(all, found...)
	}
	return all, nil
}

// opened opens a device for one look at it.
func opened(ctx context.Context, m Match, transport string) (*session, error) {
	b, err := busOf(transport, newLibusb())
	if err != nil {
		return nil, err
	}
	f := finder{bus: b, match: m, log: slog.New(slog.DiscardHandler), reset: true} // one look resets nothing
	return f.open(ctx)
}

// ReadOnce opens a device, reads all of it and closes it. Errors wrap
// [drivers.ErrNoDevice], [drivers.ErrPermission] or [ErrDescriptor] where it is
// that.
func ReadOnce(ctx context.Context, m Match, transport string) (drivers.UPS, error) {
	s, err := opened(ctx, m, transport)
	if err != nil {
		return drivers.UPS{}, err
	}
	defer s.device.Close()
	return s.readAll(ctx)
}

// dumpHeader is the first line of a dump, with the version of its form.
const dumpHeader = "lastwatt-ups-dump 1"

// Dump writes all that a device says, for a report of a fault: its descriptor,
// its feature reports, its strings. The serial number is masked. [ReadDump]
// reads it back.
func Dump(ctx context.Context, m Match, transport string, w io.Writer) error {
	b, err := busOf(transport, newLibusb())
	if err != nil {
		return err
	}
	i, err := choose(b, m)
	if err != nil {
		return err
	}
	d, err := b.Open(i)
	if err != nil {
		return fmt.Errorf("open %v: %w", i, err)
	}
	defer d.Close()
	return dump(ctx, d, i, w)
}

// dump does not ask for a sound descriptor: a damaged one is worth reporting.
func dump(ctx context.Context, d device, i Info, w io.Writer) error {
	data, err := d.Descriptor()
	if err != nil {
		return fmt.Errorf("read the descriptor of %v: %w", i, err)
	}
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "%s\ntransport %s\nid %04x:%04x\nmaker %s\nmodel %s\n", dumpHeader, i.Transport, i.Vendor, i.Product, i.Maker, i.Model)
	if i.Serial != "" {
		fmt.Fprintln(out, "serial (masked)")
	}
	hexLines(out, "usb", i.Descriptors)
	hexLines(out, "descriptor", data)
	s, err := newSession(held{d}, i, nil)
	if err != nil {
		fmt.Fprintf(out, "# %s\n", oneLine(err))
		return out.Flush()
	}
	if err := s.dumpReports(ctx, out); err != nil {
		return err
	}
	return out.Flush()
}

func hexLines(w io.Writer, word string, data []byte) {
	for line := range slices.Chunk(data, 16) {
		fmt.Fprintf(w, "%s % x\n", word, line)
	}
}

func (s *session) dumpReports(ctx context.Context, out io.Writer) error {
	for _, r := range s.model.descriptor.Reports {
		if r.Type != hid.Feature {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		wire, err := s.get(r)
		if errors.Is(err, errGone) {
			return err
		}
		if err != nil {
			fmt.Fprintf(out, "# %v: %s\n", r.Key, oneLine(err))
			continue
		}
		fmt.Fprintf(out, "feature %02x % x\n", r.ID, wire)
		_ = s.model.take(&s.snapshot, r.Key, wire, time.Now()) // what cannot be taken is in the dump all the same
	}
	s.learnTexts()
	for index := range 256 {
		text := s.snapshot.texts[uint8(index)]
		if text != "" && text != s.info.Serial {
			fmt.Fprintf(out, "text %d %s\n", index, oneLine(errors.New(text)))
		}
	}
	return nil
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// ReadDump reads a device's values from what [Dump] wrote. Errors name the line.
func ReadDump(r io.Reader) (drivers.UPS, error) {
	c, err := parseDump(r)
	if err != nil {
		return drivers.UPS{}, fmt.Errorf("read the dump: %w", err)
	}
	s, err := newSession(c, c.info, nil)
	if err != nil {
		return drivers.UPS{}, err
	}
	return s.readAll(context.Background())
}

// maxDump bounds the line count of a dump: 64 KiB of descriptor, 255 reports.
const maxDump = 8192

func parseDump(r io.Reader) (*replay, error) {
	c := &replay{features: map[uint8][]byte{}, texts: map[uint8]string{}}
	in := bufio.NewScanner(r)
	for n := 1; in.Scan(); n++ {
		if n > maxDump {
			return nil, fmt.Errorf("more than %d lines", maxDump)
		}
		line := strings.TrimSpace(in.Text())
		if n == 1 && line != dumpHeader {
			return nil, fmt.Errorf("line 1: want %q (got %q)", dumpHeader, line)
		}
		if n == 1 || line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, rest, _ := strings.Cut(line, " ")
		if err := c.line(key, rest); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	return c, in.Err()
}

// A replay is a device that says what one said before.
type replay struct {
	info       Info
	descriptor []byte
	features   map[uint8][]byte
	texts      map[uint8]string
}

func (c *replay) line(key, rest string) error {
	switch key {
	case "transport":
		c.info.Transport = rest
	case "id":
		vendor, product, _ := strings.Cut(rest, ":")
		var err error
		if c.info.Vendor, err = usbID("id", vendor); err != nil {
			return err
		}
		c.info.Product, err = usbID("id", product)
		return err
	case "maker":
		c.info.Maker = rest
	case "model":
		c.info.Model = rest
	case "serial":
	case "usb":
		data, err := hexLine(rest)
		c.info.Descriptors = append(c.info.Descriptors, data...)
		return err
	case "descriptor":
		data, err := hexLine(rest)
		c.descriptor = append(c.descriptor, data...)
		return err
	case "feature":
		id, wire, _ := strings.Cut(rest, " ")
		n, err := strconv.ParseUint(id, 16, 8)
		if err != nil {
			return fmt.Errorf("report id: want two hexadecimal digits (got %q)", id)
		}
		c.features[uint8(n)], err = hexLine(wire)
		return err
	case "text":
		index, text, _ := strings.Cut(rest, " ")
		n, err := strconv.ParseUint(index, 10, 8)
		if err != nil {
			return fmt.Errorf("text index: want 0 to 255 (got %q)", index)
		}
		c.texts[uint8(n)] = text
	default:
		return fmt.Errorf("unknown word %q", key)
	}
	return nil
}

func hexLine(s string) ([]byte, error) {
	data, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		return nil, fmt.Errorf("want bytes in hexadecimal (got %q)", s)
	}
	return data, nil
}

// Feature implements device.
func (c *replay) Feature(id uint8, buf []byte) (int, error) {
	wire, ok := c.features[id]
	if !ok {
		return 0, fmt.Errorf("report 0x%02x was not captured", id)
	}
	return copy(buf, wire), nil
}

// SetFeature implements device.
func (c *replay) SetFeature(uint8, []byte) error { return errors.New("a dump takes no orders") }

// Input implements device.
func (c *replay) Input(ctx context.Context, _ []byte) (int, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

// Descriptor implements device.
func (c *replay) Descriptor() ([]byte, error) { return c.descriptor, nil }

// Text implements device.
func (c *replay) Text(index uint8) (string, error) { return c.texts[index], nil }

// Close implements device.
func (c *replay) Close() error { return nil }
