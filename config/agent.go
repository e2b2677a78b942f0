package config

import (
	"fmt"

	"go.yaml.in/yaml/v4"

	"lastwatt/drivers"
)

// DefaultAgentPath is where an agent's configuration is; "lastwatt join" writes
// it.
const DefaultAgentPath = "/etc/lastwatt/agent.yaml"

// Agent is an agent's configuration.
type Agent struct {
	// Node is the name that the node joined with; Controller its host:port.
	Node, Controller string
	// Dir holds the certificates that joining gave.
	Dir string
	// Docker is the engine's address; empty is the local socket, "none" says
	// that there is no engine.
	Docker   string
	Commands Commands
	// Sensors are what this machine reads beside what its board tells.
	Sensors []Sensor
}

// Commands are how this machine is halted, parked and started again; what is
// left out is done systemd's way. Each is a list of commands, each a list of
// arguments.
type Commands struct {
	Halt   [][]string `yaml:"halt"`
	Timer  [][]string `yaml:"timer"`
	Park   [][]string `yaml:"park"`
	Reboot [][]string `yaml:"reboot"`
}

// agentFile is the shape of an agent's file.
type agentFile struct {
	Node       string      `yaml:"node"`
	Controller string      `yaml:"controller"`
	Dir        string      `yaml:"dir"`
	Docker     string      `yaml:"docker"`
	Commands   Commands    `yaml:"commands"`
	Sensors    []yaml.Node `yaml:"sensors"`
}

// LoadAgent reads an agent's configuration. kinds are the drivers there are.
func LoadAgent(path string, kinds []drivers.Kind) (Agent, error) {
	data, err := readFile(path)
	if err != nil {
		return Agent{}, fmt.Errorf("read the agent's configuration: %w: join first, with the line that \"lastwatt token\" prints on the controller", err)
	}
	return ParseAgent(path, data, kinds)
}

// ParseAgent is LoadAgent of data, which errors call path.
func ParseAgent(path string, data []byte, kinds []drivers.Kind) (Agent, error) {
	f := agentFile{Dir: "/var/lib/lastwatt-agent"}
	c := newChecker(path, "configs/reference-agent.yaml", data, kinds)
	if len(c.problems) == 0 {
		c.take(yaml.Load(data, &f, yaml.WithKnownFields()), &f)
	}
	a := Agent{Node: f.Node, Controller: f.Controller, Dir: f.Dir, Docker: f.Docker, Commands: f.Commands, Sensors: c.sensors(f.Sensors)}
	if len(c.problems) == 0 {
		c.agent(a)
	}
	if len(c.problems) > 0 {
		return Agent{}, c.sorted()
	}
	return a, nil
}

func (c *checker) agent(a Agent) {
	if a.Node == "" {
		c.wrong(path("node"), "no node: write the name that this node joined with, such as node: node02")
	} else if !isName(a.Node) {
		c.wrong(path("node"), "want the name that this node joined with: letters, digits, - and _ (got %q)", a.Node)
	}
	if a.Controller == "" {
		c.wrong(path("controller"), "no controller: write its host and port, such as controller: \"192.168.1.11:7480\"")
	} else if !isAddress(a.Controller, true) {
		c.wrong(path("controller"), "want a host and a port, such as 192.168.1.11:7480 (got %q)", a.Controller)
	}
	if a.Dir == "" {
		c.wrong(path("dir"), "no folder: leave dir out, or name the one that holds the certificates")
	}
	for key, list := range map[string][][]string{"halt": a.Commands.Halt, "timer": a.Commands.Timer, "park": a.Commands.Park, "reboot": a.Commands.Reboot} {
		for i, command := range list {
			if len(command) == 0 || command[0] == "" {
				c.wrong(path("commands", key, i), "an empty command: name a program and its arguments, such as [systemctl, poweroff], or remove it")
			}
		}
	}
}
