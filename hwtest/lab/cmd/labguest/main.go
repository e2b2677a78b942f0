//go:build linux

// Command labguest does in a guest of the lab what its own system would have
// done: "labguest plug HOST:PORT" plugs a virtual UPS that another machine
// serves into its kernel, "labguest seed FILE" gives its kernel the randomness
// that a machine without hardware lacks after the boot.
package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"syscall"
	"unsafe"

	"lastwatt/hwtest/vups"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "labguest:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "plug":
		return plug(args[1])
	case len(args) == 2 && args[0] == "seed":
		return seed(args[1])
	}
	return fmt.Errorf("want plug HOST:PORT or seed FILE")
}

func plug(addr string) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	file, err := conn.(*net.TCPConn).File()
	if err != nil {
		return err
	}
	return vups.Give(0, file)
}

// seed credits the file's bytes (random(4), RNDADDENTROPY).
func seed(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	f, err := os.OpenFile("/dev/urandom", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	b := binary.NativeEndian.AppendUint32(nil, uint32(8*len(data)))
	b = binary.NativeEndian.AppendUint32(b, uint32(len(data)))
	b = append(b, data...)
	const addEntropy = 0x40085203
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), addEntropy, uintptr(unsafe.Pointer(&b[0]))); errno != 0 {
		return fmt.Errorf("credit the seed: %w", errno)
	}
	return nil
}
