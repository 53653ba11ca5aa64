package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
)

// Where the password of a private key is, for whom no terminal is there. The
// first is cosign's; the second names a file, as a service has in its
// $CREDENTIALS_DIRECTORY.
const (
	passwordVariable     = "COSIGN_PASSWORD"
	passwordFileVariable = "COSIGN_PASSWORD_FILE"
)

var (
	errNoPassword   = errors.New("asking for the key's password: there is no terminal to ask on")
	errTwoPasswords = errors.New("reading the key's password: " + passwordVariable + " and " + passwordFileVariable + " are both set")
)

// keyPassword returns the password of a private key: from COSIGN_PASSWORD or the
// file that COSIGN_PASSWORD_FILE names, else from the terminal.
func (e *env) keyPassword() ([]byte, error) {
	password, err := e.givenPassword()
	if err != nil || password != nil {
		return password, err
	}
	return e.readPassword("Password of the private key: ")
}

// newPassword is keyPassword for a key to be made: it is asked for twice.
func (e *env) newPassword() ([]byte, error) {
	password, err := e.givenPassword()
	if err != nil || password != nil {
		return password, err
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

// givenPassword returns the password that needs no terminal, which may be empty;
// nil where there is none, and somebody to ask.
func (e *env) givenPassword() ([]byte, error) {
	value, ok := e.lookup(passwordVariable)
	file := e.getenv(passwordFileVariable)
	switch {
	case ok && file != "":
		return nil, hinted(errTwoPasswords, "unset the one that is not meant")
	case ok:
		return []byte(value), nil
	case file != "":
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, hinted(fmt.Errorf("reading the key's password from %q: %w", file, errors.Unwrap(err)), "see "+passwordFileVariable+" in the environment")
		}
		// Editors end the last line, and no password does.
		return append([]byte{}, bytes.TrimRight(content, "\r\n")...), nil
	case e.readPassword == nil:
		return nil, hinted(errNoPassword, "set "+passwordVariable+" in the environment (it may be empty), or "+passwordFileVariable+" to a file with it")
	}
	return nil, nil
}
