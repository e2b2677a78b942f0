package usbhid

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A vendor makes nothing but power devices, so that a HID device of his is one.
type vendor struct {
	id   uint16
	name string
	// known is what is known of his devices beyond the standard, for people.
	known string
}

// vendors are listed by id. Dell, HP and Belkin are left out: a rule for them
// would open their keyboards, too.
func vendors() []vendor {
	return []vendor{
		{0x0463, "Eaton, MGE", "read like NUT from the captured reports of a 3S700; no cut"},
		{0x051d, "APC", "read like NUT from the captured reports of a BK650M2-CH; no cut"},
		{0x0592, "Powerware", ""},
		{0x06da, "Phoenixtec, Liebert", ""},
		{0x0764, "CyberPower", "read like NUT from the captured reports of a VP1600ELCD, a CP1300EPFCLCD, a CP1500PFCLCD and a CP1000PFCLCDa; cut as they are known to do, to be confirmed with `lastwatt ups learn`"},
		{0x09ae, "Tripp Lite", "read like NUT from two captured reports of a protocol-3016 unit; no cut"},
		{0x0d9f, "PowerCOM", ""},
		{0x10af, "Liebert, Vertiv", ""},
		{0x1cb0, "Legrand", ""},
		{0x2e51, "Ever", ""},
		{0x2e66, "Salicru", ""},
	}
}

// scan lists the power devices of a sysfs tree: those whose report descriptor
// begins with the Power Device page, and those of power vendors whose
// descriptor the kernel does not show because a program has the device.
func scan(sys, dev string) ([]Info, error) {
	interfaces, err := filepath.Glob(filepath.Join(sys, "bus/usb/devices/*:*"))
	if err != nil {
		return nil, err
	}
	var found []Info
	for _, dir := range interfaces {
		if word(dir, "bInterfaceClass") != "03" {
			continue
		}
		path, _, _ := strings.Cut(filepath.Base(dir), ":")
		usb := filepath.Join(sys, "bus/usb/devices", path)
		i := Info{
			Path: path, Interface: uint8(hexWord(dir, "bInterfaceNumber")), Vendor: hexWord(usb, "idVendor"), Product: hexWord(usb, "idProduct"),
			Maker: word(usb, "manufacturer"), Model: word(usb, "product"), Serial: realSerial(word(usb, "serial")),
		}
		i.Descriptors, _ = os.ReadFile(filepath.Join(usb, "descriptors"))
		if to, err := os.Readlink(filepath.Join(dir, "driver")); err == nil {
			i.driver = filepath.Base(to)
		}
		node, descriptor := hidNode(dir)
		if node != "" {
			i.Node = filepath.Join(dev, node)
		}
		if bytes.HasPrefix(descriptor, []byte{0x05, 0x84}) || known(i.Vendor) {
			found = append(found, i)
		}
	}
	return found, nil
}

func known(id uint16) bool {
	return slices.ContainsFunc(vendors(), func(v vendor) bool { return v.id == id })
}

// hidNode returns the name of an interface's hidraw file and the kernel's copy
// of its report descriptor, empty if the kernel's driver does not have it.
func hidNode(dir string) (node string, descriptor []byte) {
	if nodes, _ := filepath.Glob(filepath.Join(dir, "*/hidraw/hidraw*")); len(nodes) > 0 {
		node = filepath.Base(nodes[0])
		descriptor, _ = os.ReadFile(filepath.Join(filepath.Dir(filepath.Dir(nodes[0])), "report_descriptor"))
	}
	return node, descriptor
}

// word reads a one-line file of sysfs; empty if it is not there.
func word(dir, name string) string {
	data, _ := os.ReadFile(filepath.Join(dir, name))
	return strings.TrimSpace(string(data))
}

func hexWord(dir, name string) uint16 {
	n, _ := strconv.ParseUint(word(dir, name), 16, 16)
	return uint16(n)
}

// usbNode returns the device file of libusb for a bus path.
func usbNode(sys, dev, path string) string {
	usb := filepath.Join(sys, "bus/usb/devices", path)
	number := func(name string) int {
		n, _ := strconv.Atoi(word(usb, name))
		return n
	}
	return fmt.Sprintf("%s/bus/usb/%03d/%03d", dev, number("busnum"), number("devnum"))
}

// obstacle says why a device file cannot be opened, nil if nothing is seen.
func obstacle(node string) error {
	if err := unix.Access(node, unix.R_OK|unix.W_OK); err == unix.EACCES {
		return errPermission(node)
	}
	return nil
}

// holder names another process that has a file open: its program and process
// id, empty if none is seen. Without root, only the caller's own are.
func holder(node string) string {
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, l := range links {
		pid := strings.Split(l, "/")[2]
		if to, err := os.Readlink(l); err == nil && to == node && pid != strconv.Itoa(os.Getpid()) {
			return fmt.Sprintf("%s (process %s)", word(filepath.Join("/proc", pid), "comm"), pid)
		}
	}
	return ""
}
