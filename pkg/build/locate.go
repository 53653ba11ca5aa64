package build

// Place is where an image store is.
type Place struct {
	// GraphRoot is the folder of the images.
	GraphRoot string
	// Driver is the storage driver that is asked for; "" where the library
	// chooses.
	Driver string
}

// Locate says where the image store is, without opening it.
func Locate(o StoreOptions) (Place, error) {
	so, err := o.storage()
	if err != nil {
		return Place{}, err
	}
	return Place{GraphRoot: so.GraphRoot, Driver: so.GraphDriverName}, nil
}
