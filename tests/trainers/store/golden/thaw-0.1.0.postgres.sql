CREATE TABLE answered (
	browser VARCHAR(64) NOT NULL, 
	account VARCHAR(64) NOT NULL, 
	at FLOAT NOT NULL, 
	PRIMARY KEY (browser, account)
);
CREATE TABLE continued (
	run VARCHAR(32) NOT NULL, 
	"of" VARCHAR(32) NOT NULL, 
	PRIMARY KEY (run)
);
CREATE INDEX ix_continued_of ON continued ("of");
CREATE TABLE events (
	run VARCHAR(32) NOT NULL, 
	number INTEGER NOT NULL, 
	event TEXT NOT NULL, 
	PRIMARY KEY (run, number)
);
CREATE TABLE room_people (
	room VARCHAR(6) NOT NULL, 
	visitor VARCHAR(64) NOT NULL, 
	leads BOOLEAN NOT NULL, 
	name TEXT, 
	folded TEXT, 
	number INTEGER, 
	joined FLOAT NOT NULL, 
	"left" FLOAT, 
	PRIMARY KEY (room, visitor), 
	UNIQUE (room, folded), 
	UNIQUE (room, number)
);
CREATE INDEX ix_room_people_visitor ON room_people (visitor);
CREATE TABLE room_runs (
	run VARCHAR(32) NOT NULL, 
	room VARCHAR(6) NOT NULL, 
	visitor VARCHAR(64) NOT NULL, 
	PRIMARY KEY (run)
);
CREATE INDEX ix_room_runs_room ON room_runs (room);
CREATE TABLE room_tries (
	visitor VARCHAR(64) NOT NULL, 
	at FLOAT NOT NULL
);
CREATE INDEX ix_room_tries_at ON room_tries (at);
CREATE TABLE rooms (
	code VARCHAR(6) NOT NULL, 
	key VARCHAR(32) NOT NULL, 
	title TEXT NOT NULL, 
	settings JSON NOT NULL, 
	opened FLOAT NOT NULL, 
	paused BOOLEAN NOT NULL, 
	address TEXT DEFAULT '' NOT NULL, 
	PRIMARY KEY (code)
);
CREATE TABLE runs (
	id VARCHAR(32) NOT NULL, 
	visitor VARCHAR(64) NOT NULL, 
	plan JSON NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	created FLOAT NOT NULL, 
	claimed FLOAT, 
	ended FLOAT, 
	worker VARCHAR(32), 
	beat FLOAT, 
	stop BOOLEAN NOT NULL, 
	cancel BOOLEAN NOT NULL, 
	result JSON, 
	kind VARCHAR(16) DEFAULT 'run' NOT NULL, 
	subject VARCHAR(128), 
	approach VARCHAR(16), 
	part_of VARCHAR(32), 
	name TEXT DEFAULT '' NOT NULL, 
	note TEXT DEFAULT '' NOT NULL, 
	pinned BOOLEAN DEFAULT '0' NOT NULL, 
	deleted FLOAT, 
	score FLOAT, 
	seconds FLOAT, 
	words TEXT, 
	machine VARCHAR(32), 
	PRIMARY KEY (id)
);
CREATE INDEX ix_runs_deleted ON runs (deleted);
CREATE INDEX ix_runs_ended ON runs (state, ended);
CREATE INDEX ix_runs_history ON runs (visitor, deleted, part_of, kind, pinned, created, score, seconds, id);
CREATE INDEX ix_runs_part_of ON runs (part_of);
CREATE INDEX ix_runs_state ON runs (state);
CREATE INDEX ix_runs_subject ON runs (subject);
CREATE INDEX ix_runs_visitor ON runs (visitor);
CREATE TABLE shares (
	token VARCHAR(32) NOT NULL, 
	run VARCHAR(32) NOT NULL, 
	created FLOAT NOT NULL, 
	PRIMARY KEY (token), 
	UNIQUE (run)
);
CREATE TABLE spent (
	id SERIAL NOT NULL, 
	visitor VARCHAR(64) NOT NULL, 
	what VARCHAR(16) NOT NULL, 
	at FLOAT NOT NULL, 
	seconds FLOAT NOT NULL, 
	run VARCHAR(32), 
	PRIMARY KEY (id)
);
CREATE INDEX ix_spent_visitor ON spent (visitor);
CREATE TABLE tidying (
	id SERIAL NOT NULL, 
	until FLOAT NOT NULL, 
	ages VARCHAR(128) NOT NULL, 
	since FLOAT NOT NULL, 
	taken FLOAT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE wanted (
	browser VARCHAR(64) NOT NULL, 
	page VARCHAR(32) NOT NULL, 
	query JSON NOT NULL, 
	at FLOAT NOT NULL, 
	PRIMARY KEY (browser)
);
CREATE TABLE workers (
	id VARCHAR(32) NOT NULL, 
	pid INTEGER NOT NULL, 
	ready BOOLEAN NOT NULL, 
	beat FLOAT NOT NULL, 
	heavy BOOLEAN DEFAULT '1' NOT NULL, 
	machine VARCHAR(32), 
	PRIMARY KEY (id)
);
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
