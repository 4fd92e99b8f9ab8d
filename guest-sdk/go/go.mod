module argus/guest

go 1.24
