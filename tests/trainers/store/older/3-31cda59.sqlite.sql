BEGIN TRANSACTION;
CREATE TABLE answered (
	browser VARCHAR(64) NOT NULL, 
	account VARCHAR(64) NOT NULL, 
	at FLOAT NOT NULL, 
	PRIMARY KEY (browser, account)
);
CREATE TABLE events (
	run VARCHAR(32) NOT NULL, 
	number INTEGER NOT NULL, 
	event TEXT NOT NULL, 
	PRIMARY KEY (run, number)
);
INSERT INTO "events" VALUES('over',1,'{"type": "notice", "text": "so it was", "seconds": 0.5, "limits": true}');
CREATE TABLE runs (
	id VARCHAR(32) NOT NULL, 
	visitor VARCHAR(64) NOT NULL, 
	"plan" JSON NOT NULL, 
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
	PRIMARY KEY (id)
);
INSERT INTO "runs" VALUES('waiting','ann','{"data": "digits", "approach": "transfer", "backbone": "small_resnet", "per_class": null, "seconds": 10, "seed": 0, "what_learns": "auto", "pace": null, "mends": []}','queued',1700000000.0,NULL,NULL,NULL,NULL,0,0,NULL,'run','digits','transfer',NULL,'','',0,NULL,NULL,NULL,'  transfer learning on handwritten digits digits');
INSERT INTO "runs" VALUES('over','ann','{"data": "digits", "approach": "transfer", "backbone": "small_resnet", "per_class": null, "seconds": 10, "seed": 0, "what_learns": "auto", "pace": null, "mends": []}','finished',1700000001.0,1700000002.0,1700000003.0,NULL,1795523790.99612,0,0,'{"type": "finished", "test_accuracy": 0.5, "test_accuracy_low": 0.1, "test_accuracy_high": 0.9, "seconds": 1.0}','run','digits','transfer',NULL,'','',0,NULL,0.5,1.0,'  transfer learning on handwritten digits digits');
CREATE TABLE shares (
	token VARCHAR(32) NOT NULL, 
	run VARCHAR(32) NOT NULL, 
	created FLOAT NOT NULL, 
	PRIMARY KEY (token), 
	UNIQUE (run)
);
CREATE TABLE spent (
	id INTEGER NOT NULL, 
	visitor VARCHAR(64) NOT NULL, 
	what VARCHAR(16) NOT NULL, 
	at FLOAT NOT NULL, 
	seconds FLOAT NOT NULL, 
	run VARCHAR(32), 
	PRIMARY KEY (id)
);
CREATE TABLE tidying (
	id INTEGER NOT NULL, 
	until FLOAT NOT NULL, 
	ages VARCHAR(128) NOT NULL, 
	since FLOAT NOT NULL, 
	taken FLOAT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE wanted (
	browser VARCHAR(64) NOT NULL, 
	page VARCHAR(32) NOT NULL, 
	"query" JSON NOT NULL, 
	at FLOAT NOT NULL, 
	PRIMARY KEY (browser)
);
CREATE TABLE workers (
	id VARCHAR(32) NOT NULL, 
	pid INTEGER NOT NULL, 
	ready BOOLEAN NOT NULL, 
	beat FLOAT NOT NULL, 
	heavy BOOLEAN DEFAULT '1' NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "workers" VALUES('w1',1,1,1.79552379099756407743e+09,1);
CREATE INDEX ix_runs_subject ON runs (subject);
CREATE INDEX ix_runs_deleted ON runs (deleted);
CREATE INDEX ix_runs_state ON runs (state);
CREATE INDEX ix_runs_history ON runs (visitor, deleted, part_of, kind, pinned, created, score, seconds, id);
CREATE INDEX ix_runs_visitor ON runs (visitor);
CREATE INDEX ix_runs_part_of ON runs (part_of);
CREATE INDEX ix_spent_visitor ON spent (visitor);
COMMIT;
