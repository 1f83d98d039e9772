"""One module a dataset format; each turns official files into `data.sample.LabelledImage`."""
