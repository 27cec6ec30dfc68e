BEGIN TRANSACTION;
CREATE TABLE events (
	run VARCHAR(32) NOT NULL, 
	number INTEGER NOT NULL, 
	event TEXT NOT NULL, 
	PRIMARY KEY (run, number)
);
INSERT INTO "events" VALUES('over',1,'{"type": "notice", "text": "so it was", "seconds": 0.5}');
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
	PRIMARY KEY (id)
);
INSERT INTO "runs" VALUES('waiting','ann','{"data": "digits", "approach": "transfer", "backbone": "small_resnet", "per_class": null, "seconds": 10, "seed": 0, "what_learns": "auto", "pace": null}','queued',1700000000.0,NULL,NULL,NULL,NULL,0,0,NULL);
INSERT INTO "runs" VALUES('over','ann','{"data": "digits", "approach": "transfer", "backbone": "small_resnet", "per_class": null, "seconds": 10, "seed": 0, "what_learns": "auto", "pace": null}','finished',1700000001.0,1700000002.0,1700000003.0,NULL,1.79552378849911117549e+09,0,0,'{"type": "finished", "test_accuracy": 0.5, "test_accuracy_low": 0.1, "test_accuracy_high": 0.9, "seconds": 1.0}');
CREATE TABLE workers (
	id VARCHAR(32) NOT NULL, 
	pid INTEGER NOT NULL, 
	ready BOOLEAN NOT NULL, 
	beat FLOAT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "workers" VALUES('w1',1,1,1.7955237885006940365e+09);
CREATE INDEX ix_runs_visitor ON runs (visitor);
CREATE INDEX ix_runs_state ON runs (state);
COMMIT;
