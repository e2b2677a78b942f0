// Package mqtt publishes the state of the rack and the story of an outage to an
// MQTT broker, and describes both to Home Assistant.
package mqtt

import (
	"encoding/json"
	"fmt"
	"strings"
)

// A Message is what one topic holds.
type Message struct {
	Topic string
	// Payload is a JSON document, except for the status topic; empty with
	// Retain removes what the broker retains.
	Payload []byte
	Retain  bool
	QoS     byte // 0 or 1
}

// Options say where messages go. The zero value publishes below "lastwatt/rack"
// and discovery below "homeassistant".
type Options struct {
	Prefix          string // of our own topics; empty is "lastwatt"
	DiscoveryPrefix string // as Home Assistant is configured; empty is "homeassistant"
	Site            string // empty is "rack"
	// Version is the program's own, shown by Home Assistant; may be empty.
	Version string
}

// What the status topic holds: Home Assistant's default words for availability.
const (
	online  = "online"
	offline = "offline"
)

func (o Options) withDefaults() Options {
	set := func(s *string, value string) {
		if *s == "" {
			*s = value
		}
	}
	set(&o.Prefix, "lastwatt")
	set(&o.DiscoveryPrefix, "homeassistant")
	set(&o.Site, "rack")
	return o
}

// topic is the full name of a topic of this site.
func (o Options) topic(levels ...string) string {
	o = o.withDefaults()
	all := []string{o.Prefix, level(o.Site)}
	for _, l := range levels {
		all = append(all, level(l))
	}
	return strings.Join(all, "/")
}

// id is an identifier that no other site or device has; Home Assistant takes
// only letters, digits, "_" and "-" in a discovery topic.
func (o Options) id(parts ...string) string {
	all := []string{"lastwatt", slug(o.withDefaults().Site)}
	for _, p := range parts {
		all = append(all, slug(p))
	}
	return strings.Join(all, "_")
}

// level makes a name fit to be one level of a topic: the wildcards and the
// separator have a meaning there.
func level(name string) string {
	return strings.NewReplacer("/", "_", "+", "_", "#", "_", "$", "_").Replace(name)
}

// slug makes a name fit to be part of an identifier and of an entity id.
func slug(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '_'
	}, name)
}

// document is a retained message with v as its JSON.
func document(topic string, v any) Message {
	return Message{Topic: topic, Payload: marshal(v), Retain: true, QoS: 1}
}

// marshal cannot fail: our documents hold nothing that JSON cannot say, because
// number() keeps NaN and infinities out.
func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("a document of type %T: %v", v, err))
	}
	return b
}
