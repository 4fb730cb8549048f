/** Says that something happens before a program from the sources has been loaded, which takes seconds at first. */
process.stderr.write("Loading effect-vargate from its sources ...\n")
