CREATE TABLE public.events (
    run character varying(32) NOT NULL,
    number integer NOT NULL,
    event text NOT NULL
);
CREATE TABLE public.runs (
    id character varying(32) NOT NULL,
    visitor character varying(64) NOT NULL,
    plan json NOT NULL,
    state character varying(16) NOT NULL,
    created double precision NOT NULL,
    claimed double precision,
    ended double precision,
    worker character varying(32),
    beat double precision,
    stop boolean NOT NULL,
    cancel boolean NOT NULL,
    result json,
    kind character varying(16) DEFAULT 'run'::character varying NOT NULL,
    subject character varying(128)
);
CREATE TABLE public.workers (
    id character varying(32) NOT NULL,
    pid integer NOT NULL,
    ready boolean NOT NULL,
    beat double precision NOT NULL,
    heavy boolean DEFAULT true NOT NULL
);
INSERT INTO public.events VALUES ('over', 1, '{"type": "notice", "text": "so it was", "seconds": 0.5}');
INSERT INTO public.runs VALUES ('waiting', 'ann', '{"data": "digits", "approach": "transfer", "backbone": "small_resnet", "per_class": null, "seconds": 10, "seed": 0, "what_learns": "auto", "pace": null, "mends": []}', 'queued', 1700000000, NULL, NULL, NULL, NULL, false, false, NULL, 'run', 'digits');
INSERT INTO public.runs VALUES ('over', 'ann', '{"data": "digits", "approach": "transfer", "backbone": "small_resnet", "per_class": null, "seconds": 10, "seed": 0, "what_learns": "auto", "pace": null, "mends": []}', 'finished', 1700000001, 1700000002, 1700000003, NULL, 1795523790.4620812, false, false, '{"type": "finished", "test_accuracy": 0.5, "test_accuracy_low": 0.1, "test_accuracy_high": 0.9, "seconds": 1.0}', 'run', 'digits');
INSERT INTO public.workers VALUES ('w1', 1, true, 1795523790.4645364, true);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (run, number);
ALTER TABLE ONLY public.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.workers
    ADD CONSTRAINT workers_pkey PRIMARY KEY (id);
CREATE INDEX ix_runs_state ON public.runs USING btree (state);
CREATE INDEX ix_runs_subject ON public.runs USING btree (subject);
CREATE INDEX ix_runs_visitor ON public.runs USING btree (visitor);
