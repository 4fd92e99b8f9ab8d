module price-feed

go 1.24
