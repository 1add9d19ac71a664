#!/bin/sh
# Run once by the image when it makes a server: lets replicas log in, with the password, from the other machines.
echo "host replication all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
