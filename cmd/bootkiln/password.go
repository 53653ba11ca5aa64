package main

import (
	"bytes"
	"errors"
)

const passwordVariable = "COSIGN_PASSWORD"

var errNoPassword = errors.New("asking for the key's password: there is no terminal to ask on")

// keyPassword returns the password of a private key: from COSIGN_PASSWORD,
// else from the terminal.
func (e *env) keyPassword() ([]byte, error) {
	if v, ok := e.lookup(passwordVariable); ok {
		return []byte(v), nil
	}
	if e.readPassword == nil {
		return nil, hinted(errNoPassword, "set "+passwordVariable+" in the environment (it may be empty)")
	}
	return e.readPassword("Password of the private key: ")
}

// newPassword is keyPassword for a key to be made: it is asked for twice.
func (e *env) newPassword() ([]byte, error) {
	if v, ok := e.lookup(passwordVariable); ok {
		return []byte(v), nil
	}
	if e.readPassword == nil {
		return nil, hinted(errNoPassword, "set "+passwordVariable+" in the environment (it may be empty)")
	}
	first, err := e.readPassword("Password for the new private key: ")
	if err != nil {
		return nil, err
	}
	again, err := e.readPassword("The same password again: ")
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(first, again) {
		return nil, errors.New("asking for the key's password: the two passwords differ")
	}
	return first, nil
}
